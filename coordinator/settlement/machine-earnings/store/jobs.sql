-- Selects the last jobs for which one machine earned since $2, newest first.
SELECT job, at, model, prompt_tokens AS "promptTokens", completion_tokens AS "completionTokens", provider_share AS amount
FROM charges
WHERE provider = $1 AND provider_share > 0 AND at >= $2
ORDER BY at DESC, job DESC
LIMIT $3
