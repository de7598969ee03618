-- Money, in micro-dollars. Double entry: what one account loses others gain, a balance is the sum of its entries, and entries
-- are never changed. What is held for jobs under way has not moved yet: it is a part of the balance that nobody else may take.

-- What the components run as. Rows of the ledger can be added by it and never changed; the migrations' owner is held to that by a trigger.
DO $$
BEGIN
  CREATE ROLE dinf_service NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
  NULL;
END $$;
-- Who makes a role may hand it on, and not always take it.
DO $$
BEGIN
  SET LOCAL ROLE dinf_service;
  SET LOCAL ROLE NONE;
EXCEPTION WHEN insufficient_privilege THEN
  EXECUTE format('GRANT dinf_service TO %I', current_user);
END $$;
GRANT USAGE ON SCHEMA public TO dinf_service;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO dinf_service;

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END $$;

CREATE TABLE ledger_accounts (
  id      text PRIMARY KEY,
  kind    text NOT NULL CHECK (kind IN ('consumer', 'provider', 'platform', 'external')),
  balance bigint NOT NULL DEFAULT 0,
  -- The part of the balance that its owner earned and may withdraw. Bought money is spent first.
  earned  bigint NOT NULL DEFAULT 0,
  -- The part that jobs under way may still take.
  held    bigint NOT NULL DEFAULT 0,
  -- Only what stands for the world outside may owe.
  CONSTRAINT never_negative CHECK (kind = 'external' OR balance >= 0),
  CONSTRAINT earned_is_there CHECK (earned = 0 OR earned BETWEEN 0 AND balance),
  CONSTRAINT held_is_there CHECK (held = 0 OR held BETWEEN 0 AND balance),
  -- Amounts stay exact in every reader whose integers are doubles.
  CONSTRAINT exact CHECK (balance BETWEEN -9007199254740991 AND 9007199254740991)
  -- Room for a few versions of each row on its page, so that a new balance touches no index.
) WITH (fillfactor = 50);
CREATE TRIGGER never_gone BEFORE DELETE OR TRUNCATE ON ledger_accounts EXECUTE FUNCTION refuse_change();
REVOKE DELETE ON ledger_accounts FROM dinf_service;

INSERT INTO ledger_accounts (id, kind) VALUES
  ('platform:fees', 'platform'), ('external:promotions', 'external'), ('external:stripe', 'external');

-- Everything but the ends of jobs: deposits, withdrawals, credits.
CREATE TABLE ledger_transactions (
  -- Names what was done: the same operation twice is one transaction.
  operation text PRIMARY KEY,
  kind      text NOT NULL CHECK (kind IN ('credit', 'deposit', 'withdrawal', 'withdrawal_fee', 'withdrawal_returned', 'withdrawal_fee_returned')),
  -- Of what it was about: the same operation with another digest is a conflict.
  digest    bytea NOT NULL,
  at        timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE ledger_entries (
  operation text NOT NULL REFERENCES ledger_transactions,
  account   text NOT NULL REFERENCES ledger_accounts,
  amount    bigint NOT NULL,
  -- Of the amount, what came from or went to the earned part.
  earned    bigint NOT NULL DEFAULT 0,
  at        timestamptz NOT NULL DEFAULT now(),
  -- Who wrote it: tells what was there when the books were last proven.
  tx        xid8 NOT NULL DEFAULT pg_current_xact_id(),
  PRIMARY KEY (operation, account)
);
CREATE INDEX ledger_entries_of_account ON ledger_entries (account, at);
CREATE INDEX ledger_entries_by_tx ON ledger_entries (tx);

-- Prices in the order of their making; one that was ever used stays.
CREATE TABLE price_versions (
  id                     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  model                  text NOT NULL,
  input_per_million      bigint NOT NULL CHECK (input_per_million >= 0),
  cache_read_per_million bigint NOT NULL CHECK (cache_read_per_million BETWEEN 0 AND input_per_million),
  output_per_million     bigint NOT NULL CHECK (output_per_million >= 0),
  first_used_at          timestamptz NOT NULL DEFAULT now(),
  UNIQUE (model, input_per_million, cache_read_per_million, output_per_million)
);
REVOKE DELETE ON price_versions FROM dinf_service;

-- Jobs under way, by the money set aside for them.
CREATE TABLE holds (
  job           text PRIMARY KEY,
  account       text NOT NULL,
  key           text NOT NULL,
  model         text NOT NULL,
  -- Whom the job was ordered from, and whose account earns for the last of them.
  providers     text[] NOT NULL,
  payee         text,
  price_version bigint NOT NULL,
  prompt_bound  bigint NOT NULL,
  output_bound  bigint NOT NULL,
  held          bigint NOT NULL CHECK (held >= 0),
  -- The account's terms when the money was set aside.
  fee_bps       int NOT NULL,
  minimum       bigint NOT NULL,
  referrer      text,
  digest        bytea NOT NULL,
  -- The job ended before anybody asked for a hold: nothing is held, and nothing will be.
  is_void       boolean NOT NULL,
  -- Counts the changes: an end worked out from an older state is worked out again.
  revision      int NOT NULL DEFAULT 1,
  held_at       timestamptz NOT NULL DEFAULT now(),
  expires_at    timestamptz NOT NULL
);
CREATE INDEX holds_by_expiry ON holds (expires_at);

-- How each job ended. A row is a whole transaction of the ledger: what the account loses, the provider, the referrer and the
-- platform gain. `void` is a job that ended before anything was held.
CREATE TABLE charges (
  job               text PRIMARY KEY,
  outcome           text NOT NULL CHECK (outcome IN ('settled', 'refunded', 'void')),
  account           text NOT NULL,
  key               text NOT NULL,
  model             text NOT NULL,
  provider          text,
  payee             text,
  price_version     bigint NOT NULL,
  held              bigint NOT NULL,
  prompt_tokens     bigint NOT NULL,
  cached_tokens     bigint NOT NULL,
  completion_tokens bigint NOT NULL,
  charged           bigint NOT NULL,
  from_earned       bigint NOT NULL,
  provider_share    bigint NOT NULL,
  fee               bigint NOT NULL,
  referral          bigint NOT NULL,
  referrer          text,
  -- Of the fact that ended it; none when nobody told of an end.
  digest            bytea,
  held_at           timestamptz NOT NULL,
  at                timestamptz NOT NULL DEFAULT now(),
  tx                xid8 NOT NULL DEFAULT pg_current_xact_id(),
  CONSTRAINT sums_to_zero CHECK (charged = provider_share + fee + referral),
  CONSTRAINT never_more_than_held CHECK (charged BETWEEN 0 AND held),
  CONSTRAINT parts_are_parts CHECK (provider_share >= 0 AND fee >= 0 AND referral >= 0 AND from_earned BETWEEN 0 AND charged),
  CONSTRAINT only_settled_is_charged CHECK (outcome = 'settled' OR charged = 0)
);
CREATE INDEX charges_of_account ON charges (account, at);
CREATE INDEX charges_by_tx ON charges (tx);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_transactions EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON charges EXECUTE FUNCTION refuse_change();
REVOKE UPDATE, DELETE ON ledger_transactions, ledger_entries, charges FROM dinf_service;

-- Every entry of every transaction, however it is kept.
CREATE VIEW ledger_movements AS
  SELECT operation, account, amount, earned, at, tx FROM ledger_entries
  UNION ALL
  SELECT 'end:' || c.job, m.account, m.amount, m.earned, c.at, c.tx
  FROM charges c CROSS JOIN LATERAL (VALUES
    ('consumer:' || c.account, -c.charged, -c.from_earned), (c.payee, c.provider_share, c.provider_share),
    (c.referrer, c.referral, c.referral), ('platform:fees', c.fee, 0)
  ) AS m(account, amount, earned)
  WHERE m.amount <> 0;

-- What each account earned by what, in whole hours: sums over any number of jobs stay exact and quick.
CREATE TABLE earnings (
  account           text NOT NULL,
  -- A provider, or 'referrals'.
  source            text NOT NULL,
  hour              timestamptz NOT NULL,
  jobs              bigint NOT NULL,
  prompt_tokens     bigint NOT NULL,
  completion_tokens bigint NOT NULL,
  amount            bigint NOT NULL,
  PRIMARY KEY (account, source, hour)
) WITH (fillfactor = 50);

-- What providers say the work was. Paid only through a hold that names them.
CREATE TABLE receipts (
  job               text NOT NULL,
  attempt           int NOT NULL,
  provider          text NOT NULL,
  build             text NOT NULL,
  prompt_tokens     bigint NOT NULL,
  cached_tokens     bigint NOT NULL,
  completion_tokens bigint NOT NULL,
  finish            text NOT NULL,
  request_hash      bytea NOT NULL,
  response_hash     bytea NOT NULL,
  received_at       timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (job, attempt, provider)
);
CREATE INDEX receipts_by_time ON receipts USING brin (received_at);

-- How much one key may spend in a day, a week from Monday, a month, all in UTC, and ever. A key without a row has no limit.
CREATE TABLE key_limits (
  key        text PRIMARY KEY,
  account    text NOT NULL,
  day_cap    bigint CHECK (day_cap >= 0),
  week_cap   bigint CHECK (week_cap >= 0),
  month_cap  bigint CHECK (month_cap >= 0),
  total_cap  bigint CHECK (total_cap >= 0),
  -- Held or charged by jobs that began in the window that began on this date.
  day        date NOT NULL,
  day_used   bigint NOT NULL CHECK (day_used >= 0),
  week       date NOT NULL,
  week_used  bigint NOT NULL CHECK (week_used >= 0),
  month      date NOT NULL,
  month_used bigint NOT NULL CHECK (month_used >= 0),
  total_used bigint NOT NULL CHECK (total_used >= 0)
) WITH (fillfactor = 50);

-- What an account pays other than everybody does.
CREATE TABLE account_terms (
  account  text PRIMARY KEY,
  fee_bps  int CHECK (fee_bps BETWEEN 0 AND 10000),
  -- Pays the platform's prices, and no minimum.
  service  boolean NOT NULL DEFAULT false,
  referrer text
);

-- What a provider asks for, where it is not the platform's price.
CREATE TABLE provider_prices (
  provider               text NOT NULL,
  model                  text NOT NULL,
  input_per_million      bigint NOT NULL CHECK (input_per_million >= 0),
  cache_read_per_million bigint NOT NULL CHECK (cache_read_per_million BETWEEN 0 AND input_per_million),
  output_per_million     bigint NOT NULL CHECK (output_per_million >= 0),
  PRIMARY KEY (provider, model)
);

-- Facts that must be told because the money moved: committed with it, told until the bus has them. A row is what one statement
-- did, in order; rows are numbered under the locks of the accounts they tell of, so their order is the order of the money.
CREATE TABLE settlement_outbox (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  subject     text NOT NULL,
  message_ids text[] NOT NULL,
  payloads    bytea[] NOT NULL,
  -- Refused by the bus often enough: out of the order, kept for a person.
  parked_at   timestamptz,
  reason      text
);
ALTER TABLE settlement_outbox ALTER COLUMN message_ids SET STORAGE EXTERNAL, ALTER COLUMN payloads SET STORAGE EXTERNAL;

-- The books as they were last proven, so that the next proof looks only at what came since.
CREATE TABLE ledger_proofs (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  at       timestamptz NOT NULL,
  seen     pg_snapshot NOT NULL
);
CREATE TABLE ledger_proven (
  account text PRIMARY KEY,
  balance numeric NOT NULL,
  earned  numeric NOT NULL
);
