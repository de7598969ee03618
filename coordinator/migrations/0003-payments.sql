-- Money that comes in and goes out through Stripe. Each step towards Stripe is written here before it is asked for.

CREATE TABLE deposits (
  id         text PRIMARY KEY,
  account    text NOT NULL,
  -- The caller's name for it: the same one twice is one deposit.
  operation  text NOT NULL,
  amount     bigint NOT NULL CHECK (amount > 0 AND amount % 10000 = 0),
  status     text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'paid', 'expired')),
  -- Stripe's checkout session; none while nobody knows whether there is one.
  session    text UNIQUE,
  url        text,
  created_at timestamptz NOT NULL DEFAULT now(),
  checked_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (account, operation)
);
CREATE INDEX deposits_pending ON deposits (checked_at) WHERE status = 'pending';

CREATE TABLE connected_accounts (
  account        text PRIMARY KEY,
  stripe_account text NOT NULL UNIQUE,
  payouts        boolean NOT NULL DEFAULT false,
  -- By Stripe's clock: an older word never overwrites a newer one.
  told_at        timestamptz NOT NULL DEFAULT 'epoch'
);

-- pending → transferred → paid, or failed with the money back on the account. The account is debited in the transaction that adds the row.
CREATE TABLE payouts (
  id             text PRIMARY KEY,
  account        text NOT NULL,
  operation      text NOT NULL,
  -- What leaves the account; of it the fee stays here.
  amount         bigint NOT NULL CHECK (amount > fee),
  fee            bigint NOT NULL CHECK (fee >= 0),
  instant        boolean NOT NULL,
  state          text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'transferred', 'paid', 'failed')),
  returned       boolean NOT NULL DEFAULT false,
  fee_returned   boolean NOT NULL DEFAULT false,
  stripe_account text NOT NULL,
  transfer       text UNIQUE,
  stripe_payout  text UNIQUE,
  -- Names the request to Stripe. A new one only after Stripe said that the one before did nothing.
  generation     int NOT NULL DEFAULT 1,
  asked_at       timestamptz NOT NULL DEFAULT now(),
  created_at     timestamptz NOT NULL DEFAULT now(),
  UNIQUE (account, operation),
  CHECK (returned = (state = 'failed'))
);
CREATE INDEX payouts_open ON payouts (asked_at) WHERE state = 'pending' OR (state = 'transferred' AND instant AND NOT fee_returned);

-- What Stripe's own report came to when it was last read.
CREATE TABLE stripe_report (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  last_id  text,
  cents    bigint NOT NULL
);
INSERT INTO stripe_report (cents) VALUES (0);
