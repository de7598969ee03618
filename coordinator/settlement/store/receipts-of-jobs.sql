SELECT DISTINCT ON (job, provider)
  job, provider, prompt_tokens AS "promptTokens", completion_tokens AS "completionTokens"
FROM receipts WHERE job = ANY($1)
ORDER BY job, provider, attempt DESC
