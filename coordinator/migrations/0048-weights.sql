-- By build: what its files must amount to. A build that is not named may be anything.
ALTER TABLE catalog_models ADD COLUMN weights jsonb NOT NULL DEFAULT '{}';
