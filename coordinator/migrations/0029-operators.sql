CREATE TABLE operators (
  name       text PRIMARY KEY,
  key_hash   bytea NOT NULL UNIQUE CHECK (length(key_hash) = 32),
  created_at timestamptz NOT NULL DEFAULT now(),
  revoked_at timestamptz
);

-- Who changed what. Written before the change with the outcome 'begun', and once more after it.
CREATE TABLE audit_log (
  id       text PRIMARY KEY,
  at       timestamptz NOT NULL DEFAULT now(),
  operator text NOT NULL,
  action   text NOT NULL,
  subject  text NOT NULL,
  detail   text NOT NULL,
  outcome  text NOT NULL
);
CREATE INDEX audit_log_by_time ON audit_log (at);
REVOKE DELETE ON audit_log FROM dinf_service;
