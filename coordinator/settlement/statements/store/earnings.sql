SELECT source, sum(jobs) AS jobs, sum(prompt_tokens) AS "promptTokens", sum(completion_tokens) AS "completionTokens", sum(amount) AS amount
FROM earnings WHERE account = $1 AND hour >= $2 AND hour < $3
GROUP BY source ORDER BY sum(amount) DESC LIMIT 10000
