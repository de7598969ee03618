SELECT
  coalesce(sum(balance) FILTER (WHERE kind = 'consumer'), 0) AS available,
  coalesce(sum(balance) FILTER (WHERE kind = 'held'), 0) AS held
FROM ledger_accounts WHERE id IN ('consumer:' || $1, 'held:' || $1)
