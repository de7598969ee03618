-- Money, in micro-dollars. Double entry: the entries of a transaction sum to zero, a balance is the sum of its entries, and
-- entries are never changed.

CREATE TABLE ledger_accounts (
  id      text PRIMARY KEY,
  kind    text NOT NULL CHECK (kind IN ('consumer', 'held', 'provider', 'platform', 'external')),
  balance bigint NOT NULL DEFAULT 0,
  -- Only what stands for the world outside may owe.
  CONSTRAINT never_negative CHECK (kind = 'external' OR balance >= 0),
  -- Amounts stay exact in every reader whose integers are doubles.
  CONSTRAINT exact CHECK (balance BETWEEN -9007199254740991 AND 9007199254740991)
) WITH (fillfactor = 70);

INSERT INTO ledger_accounts (id, kind) VALUES ('external:credit', 'external'), ('platform:fees', 'platform');

CREATE TABLE ledger_transactions (
  id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- Names what was done: the same operation twice is one transaction.
  operation text NOT NULL UNIQUE,
  digest    bytea NOT NULL,
  at        timestamptz NOT NULL DEFAULT now()
);

-- No foreign keys: they cost a fifth of a settlement. `ledger_post` and `ledger_hold` make both rows first, nothing can delete
-- them, and `verify` counts orphans as drift.
CREATE TABLE ledger_entries (
  transaction bigint NOT NULL,
  account     text NOT NULL,
  amount      bigint NOT NULL,
  PRIMARY KEY (transaction, account)
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_transactions EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_gone BEFORE DELETE OR TRUNCATE ON ledger_accounts EXECUTE FUNCTION refuse_change();

CREATE TABLE price_versions (
  id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  model               text NOT NULL,
  input_per_million   bigint NOT NULL,
  output_per_million  bigint NOT NULL,
  first_used_at       timestamptz NOT NULL DEFAULT now(),
  UNIQUE (model, input_per_million, output_per_million)
);

-- A job's money: held, then settled or refunded, once. `void` is a job that ended before any hold.
CREATE TABLE job_charges (
  job               text PRIMARY KEY,
  status            text NOT NULL CHECK (status IN ('held', 'settled', 'refunded', 'void')),
  account           text NOT NULL,
  key               text NOT NULL,
  model             text NOT NULL,
  price_version     bigint,
  prompt_bound      bigint NOT NULL,
  held              bigint NOT NULL CHECK (held >= 0),
  digest            bytea NOT NULL,
  held_at           timestamptz NOT NULL DEFAULT now(),
  expires_at        timestamptz NOT NULL,
  ended_at          timestamptz,
  provider          text,
  prompt_tokens     bigint,
  completion_tokens bigint,
  charged           bigint NOT NULL DEFAULT 0,
  provider_share    bigint NOT NULL DEFAULT 0,
  fee               bigint NOT NULL DEFAULT 0,
  CHECK (charged = provider_share + fee AND charged <= held)
);
CREATE INDEX job_charges_open ON job_charges (expires_at) WHERE status = 'held';

-- What providers say the work was. Paid only through a job that is still held.
CREATE TABLE receipts (
  job               text NOT NULL,
  attempt           int NOT NULL,
  provider          text NOT NULL,
  build             text NOT NULL,
  prompt_tokens     bigint NOT NULL,
  completion_tokens bigint NOT NULL,
  finish            text NOT NULL,
  request_hash      bytea NOT NULL,
  response_hash     bytea NOT NULL,
  received_at       timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (job, attempt, provider)
);

-- Facts that must be told because the money moved: committed with it, told until the bus has them.
CREATE TABLE settlement_outbox (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  subject    text NOT NULL,
  message_id text NOT NULL,
  payload    bytea NOT NULL
);
