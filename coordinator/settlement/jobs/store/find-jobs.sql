SELECT
  h.job, NULL AS outcome, NULL AS digest, h.account, h.key, h.model, h.providers, h.payee, h.prompt_bound AS "promptBound", h.output_bound AS "outputBound",
  h.held, h.is_void AS "isVoid", h.revision, h.fee_bps AS "feeBps", h.minimum, h.referrer, h.price_version AS "priceVersion", p.input_per_million AS "inputPerMillion",
  p.cache_read_per_million AS "cacheReadPerMillion", p.output_per_million AS "outputPerMillion"
FROM holds h JOIN price_versions p ON p.id = h.price_version
WHERE h.job = ANY($1)
UNION ALL
SELECT c.job, c.outcome, c.digest, c.account, c.key, c.model, '{}', c.payee, 0, 0, c.held, false, 0, 0, 0, c.referrer, c.price_version, 0, 0, 0
FROM charges c
WHERE c.job = ANY($1)
