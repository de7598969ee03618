INSERT INTO provider_prices (provider, model, input_per_million, cache_read_per_million, output_per_million) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (provider, model) DO UPDATE SET input_per_million = excluded.input_per_million,
  cache_read_per_million = excluded.cache_read_per_million, output_per_million = excluded.output_per_million
