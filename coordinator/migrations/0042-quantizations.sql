-- In how many bits the weights of a model's builds are, by build.
ALTER TABLE catalog_models ADD COLUMN quantizations jsonb NOT NULL DEFAULT '{}';
