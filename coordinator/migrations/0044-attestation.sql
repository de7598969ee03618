-- Code that machines may run. All that are active count: a new release joins the old one, and never replaces it at a stroke.
CREATE TABLE releases (
  code_hash    bytea PRIMARY KEY CHECK (length(code_hash) = 32),
  version      text NOT NULL,
  added_at     timestamptz NOT NULL DEFAULT now(),
  withdrawn_at timestamptz,
  -- Over the lines that stand in the log, with the key that signs the log's heads.
  signature    bytea NOT NULL
);

-- Where each machine stands; a row is changed under the lock of its provider alone. Times are milliseconds since 1970.
CREATE TABLE verdicts (
  provider    text PRIMARY KEY REFERENCES providers,
  revision    bigint NOT NULL,
  standing    text NOT NULL,
  level       text NOT NULL,
  fault       text,
  -- The message that it was verified with last, as it came.
  evidence    bytea,
  code_hash   bytea,
  fresh_until bigint NOT NULL,
  misses      int NOT NULL,
  nonce       bytea,
  nonce_at    bigint NOT NULL,
  -- When something has to happen; null for a machine that is not there.
  wake_at     bigint
);
CREATE INDEX verdicts_due ON verdicts (wake_at) WHERE wake_at IS NOT NULL;
