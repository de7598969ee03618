-- A model without a price of its own is sold at the platform's default; what is read from a cache costs half of the input unless it says otherwise.
ALTER TABLE catalog_models
  ALTER COLUMN input_per_million DROP NOT NULL,
  ALTER COLUMN output_per_million DROP NOT NULL,
  ADD COLUMN cache_read_per_million bigint CHECK (cache_read_per_million BETWEEN 0 AND input_per_million);
