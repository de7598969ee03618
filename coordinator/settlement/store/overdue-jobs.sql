-- Held jobs that nobody ended: with a receipt older than the grace they are settled by it, past their expiry they are refunded.
SELECT c.job, r.provider, r.prompt_tokens AS "promptTokens", r.completion_tokens AS "completionTokens"
FROM job_charges c
LEFT JOIN LATERAL (
  SELECT * FROM receipts r WHERE r.job = c.job AND r.received_at < now() - $1 * interval '1 millisecond' ORDER BY r.attempt DESC LIMIT 1
) r ON true
WHERE c.status = 'held' AND (r.job IS NOT NULL OR c.expires_at < now())
ORDER BY c.expires_at
LIMIT $2
