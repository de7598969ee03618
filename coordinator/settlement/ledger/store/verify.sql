-- Reads everything in one snapshot. Rows that the last proof has read cannot change and are not
-- read again.
WITH proof AS (
  -- A proof by a release without promotional credit has no sums of it, so the next proof does not
  -- continue from it.
  SELECT seen FROM ledger_proofs WHERE NOT $1::boolean AND seen::text = promotional_seen::text
), new_moves AS MATERIALIZED (
  SELECT operation, account, amount, earned, promotional FROM ledger_movements
  WHERE tx >= coalesce((SELECT pg_snapshot_xmin(seen) FROM proof), '0') AND coalesce(NOT pg_visible_in_snapshot(tx, (SELECT seen FROM proof)), true)
), new_charges AS MATERIALIZED (
  SELECT job, provider, charged, completion_tokens FROM charges
  WHERE tx >= coalesce((SELECT pg_snapshot_xmin(seen) FROM proof), '0') AND coalesce(NOT pg_visible_in_snapshot(tx, (SELECT seen FROM proof)), true)
), sums AS (
  SELECT account, sum(amount) AS balance, sum(earned) AS earned, sum(promotional) AS promotional FROM (
    SELECT account, balance AS amount, earned, promotional FROM ledger_proven WHERE EXISTS (SELECT 1 FROM proof)
    -- A proof from the first entry on begins with the sums of what was archived (decision 0107).
    UNION ALL SELECT account, balance, earned, promotional FROM ledger_archived WHERE NOT EXISTS (SELECT 1 FROM proof)
    UNION ALL SELECT account, amount, earned, promotional FROM new_moves
  ) parts GROUP BY account
), held AS (
  SELECT 'consumer:' || account AS account, sum(held) AS held FROM holds GROUP BY account
), drifted AS (
  SELECT a.id FROM ledger_accounts a LEFT JOIN sums s ON s.account = a.id LEFT JOIN held h ON h.account = a.id
  WHERE a.balance <> coalesce(s.balance, 0) OR a.earned <> coalesce(s.earned, 0) OR a.held <> coalesce(h.held, 0)
    OR a.promotional <> coalesce(s.promotional, 0)
  UNION ALL
  SELECT s.account FROM sums s WHERE NOT EXISTS (SELECT 1 FROM ledger_accounts a WHERE a.id = s.account)
  UNION ALL
  -- An account owes the sum of what its deposits owe, and the balance of `external:debts` is minus
  -- the sum over all accounts.
  SELECT a.id FROM ledger_accounts a LEFT JOIN (
    SELECT 'consumer:' || account AS id, sum(owed) AS owed FROM deposits WHERE owed > 0 GROUP BY account
    UNION ALL SELECT 'external:debts', sum(owed) FROM deposits WHERE owed > 0 HAVING sum(owed) > 0
  ) o ON o.id = a.id
  WHERE CASE WHEN a.id = 'external:debts' THEN -a.balance ELSE a.owed END <> coalesce(o.owed, 0)
  UNION ALL
  -- What is set aside for rewards is the sum of those that are decided and not paid. A full proof
  -- also reads that each paid reward has its entry.
  SELECT a.id FROM ledger_accounts a WHERE a.id = 'platform:rewards-due'
    AND a.balance <> (SELECT coalesce(sum(amount), 0) FROM (
      SELECT amount FROM machine_rewards WHERE amount > 0 AND paid_at IS NULL
      UNION ALL SELECT amount FROM machine_promotions WHERE amount > 0 AND paid_at IS NULL) due)
  UNION ALL
  SELECT r.provider FROM machine_rewards r WHERE $1::boolean AND r.paid_at IS NOT NULL AND NOT EXISTS (
    SELECT FROM ledger_entries e WHERE e.operation = 'base-reward:' || to_char(r.day, 'YYYY-MM-DD') || ':' || r.provider
      AND e.account = 'consumer:' || r.account AND e.amount = r.amount)
  UNION ALL
  SELECT r.provider FROM machine_promotions r WHERE $1::boolean AND r.paid_at IS NOT NULL AND NOT EXISTS (
    SELECT FROM ledger_entries e WHERE e.operation = 'promotion:' || r.promotion || ':' || to_char(r.day, 'YYYY-MM-DD') || ':' || r.provider
      AND e.account = 'consumer:' || r.account AND e.amount = r.amount)
  UNION ALL
  -- The total spending of a key is the sum of its charges, archived or not, and of its holds. Only
  -- a full proof reads all charges.
  SELECT k.key FROM key_limits k FULL JOIN (
    SELECT key, sum(amount) AS spent FROM (
      SELECT key, charged AS amount FROM charges WHERE $1::boolean UNION ALL SELECT key, held FROM holds WHERE $1::boolean
      UNION ALL SELECT key, spent FROM ledger_archived_keys WHERE $1::boolean
    ) parts GROUP BY key
  ) s ON s.key = k.key
  WHERE $1::boolean AND coalesce(k.total_used, 0) <> coalesce(s.spent, 0)
), counts AS (
  SELECT
    (SELECT count(*) FROM (SELECT FROM new_moves GROUP BY operation HAVING sum(amount) <> 0 OR sum(promotional) <> 0) u) AS "unbalancedTransactions",
    (SELECT count(*) FROM drifted) AS "driftedBalances",
    (SELECT count(*) FROM ledger_accounts WHERE kind <> 'external' AND (balance < 0 OR earned < 0 OR held < 0
      OR promotional < 0 OR promotional > balance - earned)) AS "negativeBalances",
    (SELECT count(*) FROM holds) AS "openHolds",
    (SELECT count(*) FROM holds WHERE expires_at < now() - interval '1 minute') AS "overdueHolds",
    (SELECT count(*) FROM holds h WHERE NOT EXISTS (SELECT 1 FROM ledger_accounts a WHERE a.id = 'consumer:' || h.account)) AS "orphanHolds",
    (SELECT count(*) FROM new_charges c WHERE c.charged > 0 AND c.completion_tokens > (
      SELECT max(r.completion_tokens) FROM receipts r WHERE r.job = c.job AND r.provider = c.provider)) AS "overchargedReceipts",
    (SELECT count(*) FROM new_charges c WHERE EXISTS (SELECT 1 FROM holds h WHERE h.job = c.job)) AS "doubleEnded",
    (SELECT count(*) FROM settlement_outbox WHERE parked_at IS NOT NULL) AS parked,
    (SELECT count(*) FROM new_moves) AS "newEntries"
), proven AS (
  -- The next proof may continue only from books that balance.
  INSERT INTO ledger_proofs (at, seen, promotional_seen) SELECT now(), pg_current_snapshot(), pg_current_snapshot() FROM counts
  WHERE "unbalancedTransactions" + "driftedBalances" + "negativeBalances" = 0
  ON CONFLICT (only_row) DO UPDATE SET at = excluded.at, seen = excluded.seen, promotional_seen = excluded.promotional_seen
  RETURNING 1
), kept AS (
  INSERT INTO ledger_proven (account, balance, earned, promotional)
  SELECT account, balance, earned, promotional FROM sums WHERE EXISTS (SELECT 1 FROM proven)
    AND (account IN (SELECT account FROM new_moves) OR NOT EXISTS (SELECT 1 FROM proof))
  ON CONFLICT (account) DO UPDATE SET balance = excluded.balance, earned = excluded.earned, promotional = excluded.promotional
)
SELECT * FROM counts
