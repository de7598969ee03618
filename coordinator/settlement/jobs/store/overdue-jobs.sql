-- Selects held jobs whose ingress reported no end. After the grace period of the receipt of the
-- machine that the job was ordered from last, they are settled; after their expiry, those without a
-- receipt are refunded. Before that receipt, the receipt of an earlier machine ends nothing: the
-- last one may still serve the job. An earlier machine also needs a proof that its tokens were
-- delivered. The newest attempt with such a proof is paid, because it continued the answers of the
-- others. If two providers claim the same attempt, neither is paid.
SELECT h.job, r.provider, r.prompt_tokens AS "promptTokens", r.cached_tokens AS "cachedTokens", r.completion_tokens AS "completionTokens",
  r.delivered_tokens AS "deliveredTokens"
FROM holds h
LEFT JOIN LATERAL (
  SELECT
    CASE WHEN count(DISTINCT provider) = 1 THEN min(provider) END AS provider,
    min(prompt_tokens) AS prompt_tokens,
    min(cached_tokens) AS cached_tokens,
    min(completion_tokens) AS completion_tokens,
    min(delivered_tokens) AS delivered_tokens
  FROM receipts WHERE job = h.job AND provider = ANY(h.providers)
    AND (provider = h.providers[cardinality(h.providers)] OR delivered_tokens > 0)
  GROUP BY attempt, delivered_tokens > 0
  ORDER BY delivered_tokens > 0 DESC, attempt DESC
  LIMIT 1
) r ON true
LEFT JOIN LATERAL (
  SELECT max(received_at) AS received_at FROM receipts WHERE job = h.job AND provider = h.providers[cardinality(h.providers)]
) newest ON true
WHERE h.ended IS NULL AND (h.expires_at < now() OR (r.provider IS NOT NULL AND newest.received_at < now() - $1 * interval '1 millisecond'))
ORDER BY h.expires_at
LIMIT $2
