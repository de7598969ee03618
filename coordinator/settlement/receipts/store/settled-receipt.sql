-- Selects the receipt of the provider that was paid, of its last attempt if there are several.
SELECT r.version, r.job, r.attempt, r.provider, r.build, r.prompt_tokens AS "promptTokens", r.cached_tokens AS "cachedTokens", r.completion_tokens AS "completionTokens",
  r.finish, r.request_hash AS "requestHash", r.response_hash AS "responseHash", r.signature, r.signing_key AS "signingKey", r.group_place AS "group", r.continued_tokens AS "continuedTokens",
  c.model, c.charged, c.at, p.input_per_million AS "input", p.cache_read_per_million AS "cacheRead", p.output_per_million AS "output"
FROM charges c JOIN price_versions p ON p.id = c.price_version LEFT JOIN receipts r ON r.job = c.job AND r.provider = c.provider
WHERE c.account = $1 AND ($2::text IS NULL OR c.key = $2) AND c.job = $3
ORDER BY r.attempt DESC
LIMIT 1
