-- expand
-- Sessions of people in the console, and the codes with which they sign in once. Of cookies and codes only the SHA-256 is kept.
CREATE TABLE sign_in_codes (
  hash       bytea PRIMARY KEY CHECK (length(hash) = 32),
  account    text NOT NULL REFERENCES accounts,
  -- NULL for an account that a command made, which belongs to no person.
  user_id    text REFERENCES users,
  expires_at timestamptz NOT NULL,
  used_at    timestamptz
);
CREATE INDEX sign_in_codes_by_expiry ON sign_in_codes (expires_at);

CREATE TABLE console_sessions (
  id         text PRIMARY KEY,
  hash       bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
  account    text NOT NULL REFERENCES accounts,
  user_id    text REFERENCES users,
  created_at timestamptz NOT NULL,
  used_at    timestamptz NOT NULL,
  -- Moves with each use, but never past the second time.
  expires_at timestamptz NOT NULL,
  ends_at    timestamptz NOT NULL CHECK (ends_at >= expires_at),
  -- By these a person recognises the session in their list.
  user_agent text NOT NULL,
  address    text NOT NULL
);
CREATE INDEX console_sessions_by_account ON console_sessions (account, used_at);
CREATE INDEX console_sessions_by_expiry ON console_sessions (expires_at);
