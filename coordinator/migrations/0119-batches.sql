-- expand
-- Batches: the requests of a file, which ingresses run while machines are idle. `sealed`, `errors` and the results are sealed under
-- keys that are derived from the caller's API key.
CREATE TABLE batches (
  account         text NOT NULL,
  id              text NOT NULL,
  list_tag        bytea NOT NULL,
  status          text NOT NULL CHECK (status IN ('validating', 'in_progress', 'finalizing', 'cancelling', 'completed', 'failed', 'expired', 'cancelled')),
  sealed          bytea NOT NULL,
  errors          bytea,
  -- The keys of this batch alone, sealed with a key that is derived from the credentials of the coordinator, which this database does
  -- not have. They are deleted when the batch ends. Null before that: they could not be opened, and the caller's next request renews them.
  keys            bytea,
  lines           int NOT NULL DEFAULT 0,
  outputs         int NOT NULL DEFAULT 0,
  failures        int NOT NULL DEFAULT 0,
  result_bytes    bigint NOT NULL DEFAULT 0,
  has_output_file boolean NOT NULL DEFAULT false,
  has_error_file  boolean NOT NULL DEFAULT false,
  -- The ingress that runs the batch, until this time unless it renews it.
  runner          text,
  leased_until    timestamptz,
  created_at      timestamptz NOT NULL,
  expires_at      timestamptz NOT NULL,
  in_progress_at  timestamptz,
  finalizing_at   timestamptz,
  cancelling_at   timestamptz,
  ended_at        timestamptz,
  delete_at       timestamptz NOT NULL,
  PRIMARY KEY (account, id),
  CHECK (ended_at IS NULL OR keys IS NULL)
);
CREATE INDEX batches_by_list ON batches (account, list_tag, created_at, id);
CREATE INDEX unfinished_batches ON batches (account, created_at) WHERE ended_at IS NULL;
CREATE INDEX batches_by_deletion ON batches (delete_at);

-- The results of the lines of unfinished batches. A line has one result, whichever ingress ran it.
CREATE TABLE batch_lines (
  account text NOT NULL,
  batch   text NOT NULL,
  line    int NOT NULL,
  job     text NOT NULL,
  outcome text NOT NULL CHECK (outcome IN ('output', 'error')),
  sealed  bytea NOT NULL,
  PRIMARY KEY (account, batch, line),
  FOREIGN KEY (account, batch) REFERENCES batches (account, id) ON DELETE CASCADE
);
-- Encrypted bytes cannot be compressed.
ALTER TABLE batch_lines ALTER COLUMN sealed SET STORAGE EXTERNAL;
