-- What the transparency log says at the moment about public names, builds and weights: one row for each active `model` entry.
-- Trust compares it with the catalog and appends the difference to the log in the same transaction.
CREATE TABLE logged_models (
  name    text NOT NULL,
  build   text NOT NULL,
  weights bytea CHECK (length(weights) = 32),
  PRIMARY KEY (name, build)
);
