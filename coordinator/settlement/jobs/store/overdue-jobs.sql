-- Selects held jobs whose ingress reported no end. After the grace period a receipt settles them;
-- after their expiry they are refunded. A receipt counts only if the job was ordered from its
-- provider. A provider that the job moved away from also needs a proof that its tokens were
-- delivered: otherwise it could end the job while the next provider serves it. A complete answer
-- takes precedence over one that was cut off. If two providers claim the same answer, neither is
-- paid.
SELECT h.job, r.provider, r.prompt_tokens AS "promptTokens", r.cached_tokens AS "cachedTokens", r.completion_tokens AS "completionTokens",
  r.delivered_tokens AS "deliveredTokens"
FROM holds h
LEFT JOIN LATERAL (
  SELECT
    CASE WHEN count(DISTINCT provider) = 1 THEN min(provider) END AS provider,
    (array_agg(prompt_tokens ORDER BY attempt DESC))[1] AS prompt_tokens,
    (array_agg(cached_tokens ORDER BY attempt DESC))[1] AS cached_tokens,
    (array_agg(completion_tokens ORDER BY attempt DESC))[1] AS completion_tokens,
    (array_agg(delivered_tokens ORDER BY attempt DESC))[1] AS delivered_tokens,
    max(received_at) AS received_at
  FROM receipts WHERE job = h.job AND provider = ANY(h.providers)
    AND (provider = h.providers[cardinality(h.providers)] OR delivered_tokens > 0)
  GROUP BY finish IN ('stop', 'length')
  ORDER BY finish IN ('stop', 'length') DESC
  LIMIT 1
) r ON true
WHERE h.ended IS NULL AND (h.expires_at < now() OR (r.provider IS NOT NULL AND r.received_at < now() - $1 * interval '1 millisecond'))
ORDER BY h.expires_at
LIMIT $2
