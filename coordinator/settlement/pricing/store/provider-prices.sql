SELECT provider, input_per_million AS "inputPerMillion", output_per_million AS "outputPerMillion", nullif(effective_from, '-infinity') AS "effectiveFrom"
FROM provider_prices p
WHERE model = $1 AND NOT EXISTS (
  SELECT FROM provider_prices newer
  WHERE newer.provider = p.provider AND newer.model = p.model AND newer.effective_from > p.effective_from AND newer.effective_from <= $2
)
ORDER BY input_per_million + output_per_million, provider, effective_from LIMIT 1000
