-- expand
-- Base rewards: what the network pays to machines for each day on which they were ready to serve
-- (docs/decisions/0181-base-rewards-are-decided-by-the-day.md). The release before this one ignores all of it.

ALTER TABLE ledger_transactions DROP CONSTRAINT ledger_transactions_kind_check;
ALTER TABLE ledger_transactions ADD CONSTRAINT ledger_transactions_kind_check
  CHECK (kind IN ('credit', 'deposit', 'withdrawal', 'withdrawal_fee', 'withdrawal_returned', 'withdrawal_fee_returned',
    'payment_reversed', 'payment_restored', 'debt_paid', 'reward', 'reward_fund', 'reward_day', 'base_reward')) NOT VALID;

-- The fund that operators fill out of the fees, and what was decided and not paid yet.
INSERT INTO ledger_accounts (id, kind) VALUES ('platform:rewards', 'platform'), ('platform:rewards-due', 'platform')
ON CONFLICT DO NOTHING;

-- The conditions and the amount, from the day on which they are valid. Null: no rewards.
CREATE TABLE reward_policies (
  starts_on date PRIMARY KEY,
  policy    jsonb CHECK (length(policy::text) <= 16384),
  set_at    timestamptz NOT NULL DEFAULT now(),
  -- Nobody can change the conditions of a day that has begun.
  CONSTRAINT starts_later CHECK (starts_on > utc_day(set_at))
);
CREATE FUNCTION refuse_begun_policy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.starts_on <= utc_day(now()) THEN
    RAISE EXCEPTION 'the reward policy of % has begun and cannot change', OLD.starts_on;
  END IF;
  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER begun_policy_stays BEFORE UPDATE OR DELETE ON reward_policies FOR EACH ROW EXECUTE FUNCTION refuse_begun_policy();
CREATE TRIGGER append_only BEFORE TRUNCATE ON reward_policies EXECUTE FUNCTION refuse_change();

-- Minutes of each hour in which a machine was ready to serve, collected from `machine_days` before that table forgets them.
-- Rows are deleted after eight days.
CREATE TABLE reward_hours (
  hour        timestamptz NOT NULL,
  provider    text NOT NULL,
  -- Serving or idle; the other columns are parts of it.
  ready       smallint NOT NULL CHECK (ready BETWEEN 0 AND 60),
  serving     smallint NOT NULL CHECK (serving BETWEEN 0 AND ready),
  -- Ready with at least this trust level when the minutes were collected.
  self_signed smallint NOT NULL CHECK (self_signed BETWEEN 0 AND ready),
  hardware    smallint NOT NULL CHECK (hardware BETWEEN 0 AND self_signed),
  -- What the machine reported last; it can only count against it (docs/decisions/0153).
  memory_mb   int,
  PRIMARY KEY (hour, provider)
);

-- A row is written once, when the day is decided.
CREATE TABLE reward_days (
  day        date PRIMARY KEY,
  policy     jsonb NOT NULL,
  machines   int NOT NULL,
  rewarded   int NOT NULL,
  amount     bigint NOT NULL CHECK (amount >= 0),
  decided_at timestamptz NOT NULL DEFAULT now()
);

-- Every machine of the day, also those that get nothing. Only `paid_at` changes, once.
CREATE TABLE machine_rewards (
  day      date NOT NULL REFERENCES reward_days,
  provider text NOT NULL,
  -- Null for a machine that belongs to no account.
  account  text,
  amount   bigint NOT NULL CHECK (amount >= 0),
  -- Why the amount is zero: a list of `{reason, has, needs}`.
  reasons  jsonb NOT NULL CHECK (length(reasons::text) <= 4096),
  ready    int NOT NULL,
  serving  int NOT NULL,
  requests bigint NOT NULL,
  paid_at  timestamptz,
  PRIMARY KEY (day, provider),
  CONSTRAINT zero_has_a_reason CHECK ((amount = 0) = (reasons <> '[]')),
  CONSTRAINT somebody_is_paid CHECK (amount = 0 OR account IS NOT NULL),
  CONSTRAINT only_amounts_are_paid CHECK (amount > 0 OR paid_at IS NULL)
);
CREATE INDEX machine_rewards_of_account ON machine_rewards (account, day);
CREATE INDEX machine_rewards_due ON machine_rewards (day, provider) WHERE amount > 0 AND paid_at IS NULL;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON reward_days EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON machine_rewards EXECUTE FUNCTION refuse_change();
REVOKE UPDATE, DELETE ON reward_days, machine_rewards FROM dinf_service;
GRANT UPDATE (paid_at) ON machine_rewards TO dinf_service;

-- The memory that a machine reported last, for the same purpose. A router of an older release leaves it as it is.
ALTER TABLE machine_records ADD COLUMN memory_mb int CHECK (memory_mb >= 0);
GRANT UPDATE (memory_mb) ON machine_records TO dinf_service;
