-- What a model can do that not every model can: tools, vision, reasoning.
ALTER TABLE catalog_models ADD COLUMN traits text[] NOT NULL DEFAULT '{}';

-- Another name of a model; what is asked for by it is sold as the model.
CREATE TABLE catalog_aliases (
  alias text PRIMARY KEY,
  model text NOT NULL REFERENCES catalog_models
);
