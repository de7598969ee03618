WITH sums AS (SELECT account, sum(amount) AS total FROM ledger_entries GROUP BY account),
  held AS (SELECT 'held:' || account AS account, sum(held) AS total FROM job_charges WHERE status = 'held' GROUP BY account)
SELECT
  (SELECT count(*) FROM (SELECT transaction FROM ledger_entries GROUP BY transaction HAVING sum(amount) <> 0) t)
    + (SELECT count(*) FROM (SELECT DISTINCT transaction FROM ledger_entries) e WHERE NOT EXISTS (SELECT 1 FROM ledger_transactions t WHERE t.id = e.transaction)) AS "unbalancedTransactions",
  (SELECT count(*) FROM ledger_accounts a LEFT JOIN sums s ON s.account = a.id WHERE a.balance <> coalesce(s.total, 0))
    + (SELECT count(*) FROM ledger_accounts a LEFT JOIN held h ON h.account = a.id WHERE a.kind = 'held' AND a.balance <> coalesce(h.total, 0))
    + (SELECT count(*) FROM sums s WHERE NOT EXISTS (SELECT 1 FROM ledger_accounts a WHERE a.id = s.account)) AS "driftedBalances",
  (SELECT count(*) FROM ledger_accounts WHERE kind <> 'external' AND balance < 0) AS "negativeBalances",
  (SELECT count(*) FROM job_charges WHERE status = 'held') AS "openHolds",
  (SELECT count(*) FROM job_charges WHERE status = 'held' AND expires_at < now() - interval '1 minute') AS "overdueHolds",
  (SELECT count(*) FROM job_charges c
    WHERE c.status IN ('settled', 'refunded')
      AND 1 <> (SELECT count(*) FROM ledger_transactions t WHERE t.operation = 'end:' || c.job)) AS "doubleEnded"
