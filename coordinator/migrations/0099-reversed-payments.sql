-- Payments that Stripe takes back from the platform: refunds, and disputes that are open or lost. The account gives back what it has;
-- the rest is a debt (docs/decisions/0041-disputed-payments-are-taken-back.md). The functions keep their names and parameters: the
-- release before this one refuses an account in debt with `insufficient_funds`.

ALTER TABLE ledger_transactions DROP CONSTRAINT ledger_transactions_kind_check;
ALTER TABLE ledger_transactions ADD CONSTRAINT ledger_transactions_kind_check
  CHECK (kind IN ('credit', 'deposit', 'withdrawal', 'withdrawal_fee', 'withdrawal_returned', 'withdrawal_fee_returned',
    'payment_reversed', 'payment_restored', 'debt_paid')) NOT VALID;

-- Its balance is minus the sum of all debts.
INSERT INTO ledger_accounts (id, kind) VALUES ('external:debts', 'external');
-- What the account owes the platform, in micro-dollars: the sum of `deposits.owed`. Nothing is held for an account that owes.
ALTER TABLE ledger_accounts ADD COLUMN owed bigint NOT NULL DEFAULT 0 CHECK (owed >= 0);

-- `refunded` is the most that Stripe has reported as refunded. `reversed` is the part of the deposit that the books have taken back:
-- from the account, of which `reversed_earned` from its earned part, and as a debt, of which `owed` is left. `reversals` counts the
-- changes and numbers their operations.
ALTER TABLE deposits
  ADD COLUMN refunded bigint NOT NULL DEFAULT 0,
  ADD COLUMN reversed bigint NOT NULL DEFAULT 0,
  ADD COLUMN reversed_earned bigint NOT NULL DEFAULT 0,
  ADD COLUMN owed bigint NOT NULL DEFAULT 0,
  ADD COLUMN reversals int NOT NULL DEFAULT 0;
ALTER TABLE deposits ADD CONSTRAINT reversed_is_a_part
  CHECK (reversed BETWEEN 0 AND amount AND owed >= 0 AND reversed_earned >= 0 AND owed + reversed_earned <= reversed) NOT VALID;
CREATE INDEX deposits_owed ON deposits (account) WHERE owed > 0;
CREATE INDEX disputes_of_deposit ON disputes (deposit);

-- An inquiry stops withdrawals, but Stripe takes no money for it.
ALTER TABLE disputes ADD COLUMN is_inquiry boolean NOT NULL DEFAULT false;
REVOKE DELETE ON disputes FROM dinf_service;

-- As in 0002. New is that an account that owes has no free money.
CREATE OR REPLACE FUNCTION ledger_hold_watched(
  accounts text[], keys text[], jobs text[], account_of int[], key_of int[], models text[], providers text[], payees text[], prices bigint[],
  prompt_bounds bigint[], output_bounds bigint[], amounts bigint[], fees int[], minimums bigint[], referrers text[], digests bytea, digest_ends int[],
  voids boolean[], expiries timestamptz[], durable boolean, OUT results text[], OUT helds bigint[]
) LANGUAGE plpgsql
SET enable_seqscan = off SET enable_mergejoin = off SET enable_material = off SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_variable
DECLARE
  room bigint[] := array_fill(NULL::bigint, ARRAY[cardinality(accounts)]);
  taken bigint[] := array_fill(0::bigint, ARRAY[cardinality(accounts)]);
  key_rooms bigint[];
  key_taken bigint[];
  known record;
  a int;
  k int;
BEGIN
  results := array_fill(NULL::text, ARRAY[cardinality(jobs)]);
  helds := amounts;
  IF NOT durable THEN
    PERFORM set_config('synchronous_commit', 'off', true);
  END IF;

  FOR known IN
    SELECT u.n, CASE WHEN l.owed > 0 THEN 0 ELSE l.balance - l.held END AS free
    FROM unnest(accounts) WITH ORDINALITY AS u(id, n) JOIN ledger_accounts l ON l.id = 'consumer:' || u.id ORDER BY u.n FOR UPDATE OF l
  LOOP
    room[known.n] := known.free;
  END LOOP;
  FOR known IN SELECT l.key, key_room(l) AS free FROM key_limits l WHERE l.key = ANY(keys) ORDER BY l.key FOR UPDATE LOOP
    key_rooms[array_position(keys, known.key)] := known.free;
    key_taken := coalesce(key_taken, array_fill(0::bigint, ARRAY[cardinality(keys)]));
  END LOOP;

  FOR known IN SELECT h.job, h.digest, h.is_void, h.held FROM holds h WHERE h.job = ANY(jobs) LOOP
    a := array_position(jobs, known.job);
    results[a] := CASE WHEN known.digest = between_ends(digests, digest_ends, a) THEN 'held' WHEN known.is_void THEN 'ended' ELSE 'operation_conflict' END;
    helds[a] := known.held;
  END LOOP;
  -- One that was held and has ended since is answered as it was then.
  FOR known IN SELECT c.job, c.outcome, c.account, c.key, c.held FROM charges c WHERE c.job = ANY(jobs) LOOP
    a := array_position(jobs, known.job);
    results[a] := CASE
      WHEN known.outcome = 'void' THEN 'ended'
      WHEN known.account = accounts[account_of[a]] AND known.key = keys[key_of[a]] THEN 'held'
      ELSE 'operation_conflict'
    END;
    helds[a] := known.held;
  END LOOP;

  FOR i IN 1..cardinality(jobs) LOOP
    CONTINUE WHEN results[i] IS NOT NULL;
    a := account_of[i];
    k := key_of[i];
    IF room[a] IS NULL THEN
      results[i] := 'unknown_account';
    ELSIF room[a] < amounts[i] THEN
      results[i] := 'insufficient_funds';
    ELSIF amounts[i] > 0 AND key_rooms[k] < amounts[i] THEN
      results[i] := 'key_limit';
    ELSE
      room[a] := room[a] - amounts[i];
      taken[a] := taken[a] + amounts[i];
      IF key_taken IS NOT NULL THEN
        key_rooms[k] := key_rooms[k] - amounts[i];
        key_taken[k] := key_taken[k] + amounts[i];
      END IF;
      results[i] := 'new';
    END IF;
  END LOOP;

  UPDATE ledger_accounts l SET held = l.held + t.amount
    FROM unnest(accounts, taken) AS t(id, amount) WHERE l.id = 'consumer:' || t.id AND t.amount > 0;
  IF key_taken IS NOT NULL THEN
    PERFORM key_take(keys, key_taken);
  END IF;
  INSERT INTO holds (job, account, key, model, providers, payee, price_version, prompt_bound, output_bound, held, fee_bps, minimum, referrer, digest, is_void, expires_at)
    SELECT u.job, accounts[u.a], keys[u.k], u.model, CASE WHEN u.provider IS NULL THEN '{}' ELSE ARRAY[u.provider] END, u.payee, u.price,
      u.prompt_bound, u.output_bound, u.amount, u.fee, u.minimum, u.referrer, between_ends(digests, digest_ends, u.n), u.is_void, u.expiry
    FROM unnest(results, jobs, account_of, key_of, models, providers, payees, prices, prompt_bounds, output_bounds, amounts, fees, minimums, referrers, voids, expiries)
      WITH ORDINALITY AS u(result, job, a, k, model, provider, payee, price, prompt_bound, output_bound, amount, fee, minimum, referrer, is_void, expiry, n)
    WHERE u.result = 'new';
  IF 'new' = ALL(results) THEN
    results := NULL;
    helds := NULL;
  ELSE
    results := array_replace(results, 'new', 'held');
  END IF;
END $$;

-- As in 0002. New is that an account that owes has no free money.
CREATE OR REPLACE FUNCTION ledger_top_up(asked_job text, asked_provider text, asked_payee text, asked_price bigint, amount bigint, OUT result text, OUT held bigint)
LANGUAGE plpgsql AS $$
DECLARE
  known holds;
  extra bigint;
  room bigint;
  key_left bigint;
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  SELECT * INTO known FROM holds h WHERE h.job = asked_job FOR UPDATE;
  IF NOT FOUND THEN
    result := 'unknown_job';
    RETURN;
  END IF;
  held := known.held;
  extra := greatest(0, amount - known.held);
  SELECT CASE WHEN l.owed > 0 THEN 0 ELSE l.balance - l.held END INTO room FROM ledger_accounts l WHERE l.id = 'consumer:' || known.account FOR UPDATE;
  SELECT key_room(l) INTO key_left FROM key_limits l WHERE l.key = known.key FOR UPDATE;
  IF room < extra THEN
    result := 'insufficient_funds';
  ELSIF extra > 0 AND key_left < extra THEN
    result := 'key_limit';
  ELSE
    UPDATE ledger_accounts l SET held = l.held + extra WHERE l.id = 'consumer:' || known.account AND extra > 0;
    PERFORM key_take(ARRAY[known.key], ARRAY[extra]);
    UPDATE holds h SET held = h.held + extra, price_version = asked_price, payee = asked_payee, revision = h.revision + 1,
      providers = array_remove(h.providers, asked_provider) || asked_provider
      WHERE h.job = asked_job
      RETURNING h.held INTO held;
    result := 'held';
  END IF;
END $$;
