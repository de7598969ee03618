-- A device that asks to belong to an account (RFC 8628). Of its code only the SHA-256 is kept.
CREATE TABLE device_links (
  device_hash bytea PRIMARY KEY CHECK (length(device_hash) = 32),
  user_code   text NOT NULL UNIQUE,
  state       text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'approved', 'denied', 'consumed')),
  account     text REFERENCES accounts,
  interval_ms bigint NOT NULL,
  polled_at   timestamptz,
  expires_at  timestamptz NOT NULL,
  CONSTRAINT approved_for_somebody CHECK (state NOT IN ('approved', 'consumed') OR account IS NOT NULL)
);

CREATE TABLE invites (
  code       text PRIMARY KEY,
  credit     bigint NOT NULL CHECK (credit > 0),
  uses_left  bigint NOT NULL CHECK (uses_left >= 0),
  expires_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE invite_redemptions (
  code        text NOT NULL REFERENCES invites,
  account     text NOT NULL REFERENCES accounts,
  redeemed_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (code, account)
);

CREATE TABLE referral_codes (
  account text PRIMARY KEY REFERENCES accounts,
  code    text NOT NULL UNIQUE
);
CREATE TABLE referrals (
  account    text PRIMARY KEY REFERENCES accounts,
  referrer   text NOT NULL REFERENCES accounts,
  applied_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT of_somebody_else CHECK (account <> referrer)
);
CREATE INDEX referrals_by_referrer ON referrals (referrer);
