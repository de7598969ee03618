-- Selects the time of the last of $7 jobs of one account before ($5, $6), newest first; no row if it has fewer.
SELECT (extract(epoch FROM at) * 1000000)::bigint AS "microseconds"
FROM charges
WHERE account = $1 AND ($2::text IS NULL OR key = $2) AND at >= $3 AND at < $4 AND (at, job) < ($5, $6)
ORDER BY at DESC
OFFSET $7 - 1 LIMIT 1
