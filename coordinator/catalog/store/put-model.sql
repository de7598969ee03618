WITH put AS (
  INSERT INTO catalog_models (id, display_name, context_tokens, max_output_tokens, builds, input_per_million, cache_read_per_million, output_per_million, traits, quantizations, weights, tokenizer)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
  ON CONFLICT (id) DO UPDATE SET
    display_name = excluded.display_name, context_tokens = excluded.context_tokens, max_output_tokens = excluded.max_output_tokens, builds = excluded.builds,
    input_per_million = excluded.input_per_million, cache_read_per_million = excluded.cache_read_per_million, output_per_million = excluded.output_per_million,
    traits = excluded.traits, quantizations = excluded.quantizations, weights = excluded.weights,
    tokenizer = excluded.tokenizer
)
UPDATE catalog_revision SET revision = revision + 1 RETURNING revision
