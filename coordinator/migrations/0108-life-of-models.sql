-- expand
-- What the catalog states about a model beside its builds and prices, and where the model is in its life.
ALTER TABLE catalog_models
  ADD COLUMN description       text,
  ADD COLUMN hugging_face_id   text,
  -- In GiB, as a machine's owner reads it; routing does not use it.
  ADD COLUMN minimum_memory_gb int CHECK (minimum_memory_gb > 0),
  -- Accounts and keys that may use a model in its beta test; null for models that everybody may use.
  ADD COLUMN beta_for          text[],
  ADD COLUMN deprecated_at     timestamptz,
  ADD COLUMN sunset_at         timestamptz CHECK (sunset_at >= deprecated_at),
  ADD COLUMN replacement       text,
  -- Requests for the model are refused until then.
  ADD COLUMN shed_until        timestamptz,
  ADD COLUMN shed_reason       text,
  -- The build that was preferred before the last rollout.
  ADD COLUMN previous_build    text;

-- Every price that a model had, by the catalog. Null is the default price of the network.
CREATE TABLE catalog_price_history (
  model                  text NOT NULL,
  at                     timestamptz NOT NULL DEFAULT now(),
  input_per_million      bigint,
  cache_read_per_million bigint,
  output_per_million     bigint,
  PRIMARY KEY (model, at)
);
REVOKE UPDATE, DELETE ON catalog_price_history FROM dinf_service;
INSERT INTO catalog_price_history (model, at, input_per_million, cache_read_per_million, output_per_million)
SELECT id, created_at, input_per_million, cache_read_per_million, output_per_million FROM catalog_models;
