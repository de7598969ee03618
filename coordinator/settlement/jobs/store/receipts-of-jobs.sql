SELECT DISTINCT ON (job, provider)
  version, job, provider, attempt, build, prompt_tokens AS "promptTokens", cached_tokens AS "cachedTokens", completion_tokens AS "completionTokens", finish,
  request_hash AS "requestHash", response_hash AS "responseHash", signature, signing_key AS "signingKey", group_place AS "group", continued_tokens AS "continuedTokens"
FROM receipts WHERE job = ANY($1)
ORDER BY job, provider, attempt DESC
