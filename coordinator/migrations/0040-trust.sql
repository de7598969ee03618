CREATE TABLE enrolment_tokens (
  hash       bytea PRIMARY KEY CHECK (length(hash) = 32),
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL
);

CREATE TABLE providers (
  -- The public key of its account on the bus.
  id          text PRIMARY KEY,
  -- With the operator's master secret it gives the account's private key, which is kept nowhere.
  salt        bytea NOT NULL,
  token_hash  bytea NOT NULL UNIQUE REFERENCES enrolment_tokens,
  user_key    text NOT NULL,
  name        text NOT NULL,
  enrolled_at timestamptz NOT NULL DEFAULT now(),
  revoked_at  timestamptz
);
