-- Deletes the charges of these jobs and their receipts, and adds what they moved to the sums that
-- the proof of the ledger begins with. Charges that no proof has read yet stay.
WITH doomed AS MATERIALIZED (
  SELECT job, key, charged FROM charges
  WHERE job = ANY($2::text[]) AND utc_month(at) = $1::date AND pg_visible_in_snapshot(tx, (SELECT seen FROM ledger_proofs))
), moved AS (
  INSERT INTO ledger_archived AS a (account, balance, earned, promotional)
  SELECT account, sum(amount), sum(earned), sum(promotional) FROM ledger_movements
  WHERE job = ANY(ARRAY(SELECT job FROM doomed)) GROUP BY account
  ON CONFLICT (account) DO UPDATE SET balance = a.balance + excluded.balance, earned = a.earned + excluded.earned,
    promotional = a.promotional + excluded.promotional
), spent AS (
  INSERT INTO ledger_archived_keys AS k (key, spent)
  SELECT key, sum(charged) FROM doomed GROUP BY key
  ON CONFLICT (key) DO UPDATE SET spent = k.spent + excluded.spent
), gone_receipts AS (
  DELETE FROM receipts WHERE job = ANY(ARRAY(SELECT job FROM doomed))
), gone AS (
  DELETE FROM charges WHERE job = ANY(ARRAY(SELECT job FROM doomed)) RETURNING 1
)
SELECT count(*) AS charges FROM gone
