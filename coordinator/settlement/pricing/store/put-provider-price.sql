WITH outdated AS (
  -- Deletes prices that a newer price in force has replaced, and earlier announcements.
  DELETE FROM provider_prices p WHERE p.provider = $1 AND p.model = $2 AND (
    (p.effective_from > $7 AND p.effective_from <> $6)
    OR EXISTS (
      SELECT FROM provider_prices newer
      WHERE newer.provider = $1 AND newer.model = $2 AND newer.effective_from > p.effective_from AND newer.effective_from <= $7
    )
  )
)
INSERT INTO provider_prices (provider, model, input_per_million, cache_read_per_million, output_per_million, effective_from)
SELECT $1, $2, $3, $4, $5, $6
WHERE (SELECT count(DISTINCT model) FROM provider_prices WHERE provider = $1 AND model <> $2) < $8
ON CONFLICT (provider, model, effective_from) DO UPDATE SET input_per_million = excluded.input_per_million,
  cache_read_per_million = excluded.cache_read_per_million, output_per_million = excluded.output_per_million
RETURNING provider
