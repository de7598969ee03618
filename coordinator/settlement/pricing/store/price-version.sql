INSERT INTO price_versions (model, input_per_million, cache_read_per_million, output_per_million) VALUES ($1, $2, $3, $4)
ON CONFLICT (model, input_per_million, cache_read_per_million, output_per_million) DO UPDATE SET model = excluded.model
RETURNING id
