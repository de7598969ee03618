SELECT DISTINCT ON (job, provider)
  job, provider, prompt_tokens AS "promptTokens", cached_tokens AS "cachedTokens", completion_tokens AS "completionTokens"
FROM receipts WHERE job = ANY($1)
ORDER BY job, provider, attempt DESC
