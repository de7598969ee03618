WITH put AS (
  INSERT INTO catalog_models (id, display_name, context_tokens, max_output_tokens, builds, input_per_million, cache_read_per_million, output_per_million, traits, quantizations, weights, tokenizer,
    description, hugging_face_id, minimum_memory_gb)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
  ON CONFLICT (id) DO UPDATE SET
    display_name = excluded.display_name, context_tokens = excluded.context_tokens, max_output_tokens = excluded.max_output_tokens, builds = excluded.builds,
    input_per_million = excluded.input_per_million, cache_read_per_million = excluded.cache_read_per_million, output_per_million = excluded.output_per_million,
    traits = excluded.traits, quantizations = excluded.quantizations, weights = excluded.weights,
    tokenizer = excluded.tokenizer, description = excluded.description, hugging_face_id = excluded.hugging_face_id, minimum_memory_gb = excluded.minimum_memory_gb
), priced AS (
  -- Only a price that differs from the last one. A model that was removed and is offered again continues its history.
  INSERT INTO catalog_price_history (model, at, input_per_million, cache_read_per_million, output_per_million)
  SELECT $1, clock_timestamp(), $6, $7, $8
  WHERE (SELECT (h.input_per_million, h.cache_read_per_million, h.output_per_million) IS NOT DISTINCT FROM ($6::bigint, $7::bigint, $8::bigint)
    FROM catalog_price_history h WHERE h.model = $1 ORDER BY h.at DESC LIMIT 1) IS NOT TRUE
)
UPDATE catalog_revision SET revision = revision + 1 RETURNING revision
