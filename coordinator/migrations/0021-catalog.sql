CREATE TABLE catalog_models (
  id                 text PRIMARY KEY,
  display_name       text NOT NULL,
  context_tokens     bigint NOT NULL CHECK (context_tokens > 0),
  max_output_tokens  bigint NOT NULL CHECK (max_output_tokens > 0),
  -- Wanted build first.
  builds             text[] NOT NULL CHECK (cardinality(builds) BETWEEN 1 AND 8),
  input_per_million  bigint NOT NULL CHECK (input_per_million >= 0),
  output_per_million bigint NOT NULL CHECK (output_per_million >= 0),
  created_at         timestamptz NOT NULL DEFAULT now()
);

-- One row: counts the changes, so that a reader knows whether it has the newest.
CREATE TABLE catalog_revision (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  revision bigint NOT NULL
);
INSERT INTO catalog_revision (revision) VALUES (0);
