-- Requests that may be sent twice. An answer is sealed under a secret that only its caller has: nobody here can read it again.
CREATE TABLE claimed_requests (
  account         text NOT NULL,
  idempotency_key bytea NOT NULL CHECK (length(idempotency_key) = 32),
  digest          bytea NOT NULL CHECK (length(digest) = 32),
  job             text NOT NULL,
  sealed          bytea,
  expires_at      timestamptz NOT NULL,
  PRIMARY KEY (account, idempotency_key)
);
CREATE INDEX claimed_requests_by_expiry ON claimed_requests (expires_at);
