-- expand
-- Token promotions: what the network pays to machines for each answer token of some models, beside what they earn, for a time
-- (docs/decisions/0185-promotions-pay-by-the-token.md). The release before this one ignores all of it.

ALTER TABLE ledger_transactions DROP CONSTRAINT ledger_transactions_kind_check;
ALTER TABLE ledger_transactions ADD CONSTRAINT ledger_transactions_kind_check
  CHECK (kind IN ('credit', 'deposit', 'withdrawal', 'withdrawal_fee', 'withdrawal_returned', 'withdrawal_fee_returned',
    'payment_reversed', 'payment_restored', 'debt_paid', 'reward', 'reward_fund', 'reward_day', 'base_reward', 'promotion')) NOT VALID;

CREATE TABLE token_promotions (
  name      text PRIMARY KEY,
  terms     jsonb NOT NULL CHECK (length(terms::text) <= 16384),
  starts_on date NOT NULL,
  -- The last day.
  ends_on   date NOT NULL CHECK (ends_on - starts_on BETWEEN 0 AND 366),
  set_at    timestamptz NOT NULL DEFAULT now(),
  -- Nobody can pay for a day that has begun.
  CONSTRAINT starts_later CHECK (starts_on > utc_day(set_at))
);
CREATE FUNCTION refuse_begun_promotion() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- A promotion that has begun can only end, and not before today.
  IF TG_OP = 'UPDATE' AND NEW.ends_on BETWEEN utc_day(now()) AND OLD.ends_on
    AND (NEW.name, NEW.terms, NEW.starts_on, NEW.set_at) = (OLD.name, OLD.terms, OLD.starts_on, OLD.set_at) THEN
    RETURN NEW;
  END IF;
  IF OLD.starts_on <= utc_day(now()) THEN
    RAISE EXCEPTION 'the promotion % has begun and can only end', OLD.name;
  END IF;
  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER begun_promotion_stays BEFORE UPDATE OR DELETE ON token_promotions FOR EACH ROW EXECUTE FUNCTION refuse_begun_promotion();
CREATE TRIGGER append_only BEFORE TRUNCATE ON token_promotions EXECUTE FUNCTION refuse_change();

-- A row is written once, when the day of a promotion is decided.
CREATE TABLE promotion_days (
  promotion  text NOT NULL REFERENCES token_promotions,
  day        date NOT NULL,
  machines   int NOT NULL,
  amount     bigint NOT NULL CHECK (amount >= 0),
  decided_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (promotion, day)
);

-- Every machine that answered one of the models on the day. Only `paid_at` changes, once.
CREATE TABLE machine_promotions (
  promotion text NOT NULL,
  day       date NOT NULL,
  provider  text NOT NULL,
  account   text,
  -- Answer tokens that other accounts paid with money.
  tokens    bigint NOT NULL,
  amount    bigint NOT NULL CHECK (amount >= 0),
  -- Why the amount is zero or less than the tokens would bring: a list of `{reason, has, needs}`.
  reasons   jsonb NOT NULL CHECK (length(reasons::text) <= 4096),
  requests  bigint NOT NULL,
  paid_at   timestamptz,
  PRIMARY KEY (promotion, day, provider),
  FOREIGN KEY (promotion, day) REFERENCES promotion_days,
  CONSTRAINT zero_has_a_reason CHECK (amount > 0 OR reasons <> '[]'),
  CONSTRAINT somebody_is_paid CHECK (amount = 0 OR account IS NOT NULL),
  CONSTRAINT only_amounts_are_paid CHECK (amount > 0 OR paid_at IS NULL)
);
CREATE INDEX machine_promotions_of_account ON machine_promotions (account, day);
CREATE INDEX machine_promotions_due ON machine_promotions (day, provider, promotion) WHERE amount > 0 AND paid_at IS NULL;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON promotion_days EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON machine_promotions EXECUTE FUNCTION refuse_change();
REVOKE UPDATE, DELETE ON promotion_days, machine_promotions FROM dinf_service;
GRANT UPDATE (paid_at) ON machine_promotions TO dinf_service;
