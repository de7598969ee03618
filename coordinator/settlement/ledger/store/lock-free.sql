-- Selects what can be taken from an account: without money held for jobs and without promotional
-- credit.
SELECT greatest(0, least(balance - held, balance - promotional)) AS free, balance - earned - promotional AS bought
FROM ledger_accounts WHERE id = 'consumer:' || $1 FOR UPDATE
