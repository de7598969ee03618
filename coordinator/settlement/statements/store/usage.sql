-- Selects the ended jobs of one account before ($6, $7), newest first.
SELECT job, at, key, model, provider, outcome, prompt_tokens AS "promptTokens", cached_tokens AS "cachedTokens", completion_tokens AS "completionTokens", held, charged,
  digest IS NULL AS "ingressLost",
  (extract(epoch FROM at) * 1000000)::bigint AS "microseconds"
FROM charges
WHERE account = $1 AND ($2::text IS NULL OR key = $2) AND ($3::text IS NULL OR model = $3) AND at >= $4 AND at < $5
  AND (at, job) < ($6, $7) AND ($8::text IS NULL OR job = $8)
ORDER BY at DESC, job DESC
LIMIT $9
