-- Selects what one machine earned since $2, by day of UTC and model, newest first.
SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day, model, count(*) AS jobs,
  sum(prompt_tokens) AS "promptTokens", sum(completion_tokens) AS "completionTokens", sum(provider_share) AS amount
FROM charges
WHERE provider = $1 AND provider_share > 0 AND at >= $2
GROUP BY 1, 2
ORDER BY 1 DESC, sum(provider_share) DESC, 2
LIMIT $3
