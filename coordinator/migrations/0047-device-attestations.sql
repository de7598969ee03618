-- Which device a provider is, by the operator's word. Serial numbers leave this table towards the MDM server alone.
CREATE TABLE provider_devices (
  provider    text PRIMARY KEY REFERENCES providers,
  serial      text NOT NULL,
  assigned_at timestamptz NOT NULL DEFAULT now()
);

-- What Apple was asked of that device, and its last good answer, which stays: Apple makes a new one once a week. Times are milliseconds since 1970.
CREATE TABLE device_attestations (
  provider    text PRIMARY KEY REFERENCES provider_devices,
  serial      text NOT NULL,
  -- The key that Apple is to vouch for, or vouches for.
  signing_key bytea,
  attempts    int NOT NULL DEFAULT 0,
  due_at      bigint NOT NULL,
  -- The question that is open, and the device, as MDM calls it, that may answer it. Null where none is.
  command     text UNIQUE,
  udid        text,
  asked_at    bigint,
  -- Certificates in DER, the device's own first.
  chain       bytea[],
  at          bigint
);
CREATE INDEX device_attestations_due ON device_attestations (due_at);
