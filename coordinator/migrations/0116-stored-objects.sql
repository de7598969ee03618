-- expand
-- Responses and conversations that their callers asked to store. The content is sealed under a key that is derived from the
-- caller's API key, which this database does not have.
CREATE TABLE stored_objects (
  account    text NOT NULL,
  id         text NOT NULL,
  -- Grows with each change, so that of two changes at once one is refused.
  version    int NOT NULL CHECK (version > 0),
  state      text NOT NULL CHECK (state IN ('running', 'ended', 'cancelled')),
  -- The ingress that runs the response renews this time. A running response whose time has passed was lost with its ingress.
  runs_until timestamptz,
  sealed     bytea NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (account, id),
  CHECK (state <> 'running' OR runs_until IS NOT NULL)
);
-- Encrypted bytes cannot be compressed.
ALTER TABLE stored_objects ALTER COLUMN sealed SET STORAGE EXTERNAL;
CREATE INDEX stored_objects_by_expiry ON stored_objects (expires_at);
