-- Marks a month whose charges are all deleted.
UPDATE ledger_archives SET deleted_at = now()
WHERE month = $1 AND NOT EXISTS (SELECT FROM charges WHERE at >= $2 AND at < $3) RETURNING month
