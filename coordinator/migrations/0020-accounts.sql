CREATE TABLE accounts (
  id         text PRIMARY KEY,
  name       text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

-- Of a key only the SHA-256 is kept, and a hint to tell keys apart.
CREATE TABLE api_keys (
  id         text PRIMARY KEY,
  account    text NOT NULL REFERENCES accounts,
  name       text NOT NULL,
  hash       bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
  hint       text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  revoked_at timestamptz,
  expires_at timestamptz
);
CREATE INDEX api_keys_by_account ON api_keys (account);
