-- Somebody who signed in through an OpenID issuer. The pair of issuer and subject is who he is; an address may change hands.
CREATE TABLE users (
  id         text PRIMARY KEY,
  issuer     text NOT NULL,
  subject    text NOT NULL,
  email      text,
  account    text NOT NULL REFERENCES accounts,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (issuer, subject)
);

ALTER TABLE api_keys
  ADD COLUMN disabled        boolean NOT NULL DEFAULT false,
  ADD COLUMN rpm_limit       bigint CHECK (rpm_limit > 0),
  ADD COLUMN itpm_limit      bigint CHECK (itpm_limit > 0),
  ADD COLUMN otpm_limit      bigint CHECK (otpm_limit > 0),
  -- Any when null, none when empty.
  ADD COLUMN allowed_models  text[],
  ADD COLUMN self_route_only boolean NOT NULL DEFAULT false;
