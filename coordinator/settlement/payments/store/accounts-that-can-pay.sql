-- Selects accounts that owe and have money again.
SELECT DISTINCT d.account FROM deposits d JOIN ledger_accounts l ON l.id = 'consumer:' || d.account
WHERE d.owed > 0 AND l.balance > greatest(l.held, l.promotional) LIMIT $1
