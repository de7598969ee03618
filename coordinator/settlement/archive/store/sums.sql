-- Counts what the archive of a month must contain.
SELECT count(*) AS charges, coalesce(sum(charged), 0) AS charged,
  coalesce(sum((SELECT count(*) FROM receipts r WHERE r.job = c.job)), 0) AS receipts
FROM charges c WHERE at >= $1 AND at < $2
