-- expand
-- Accounts that operators suspend, limit and reward. Everything is added; the release before this one ignores it.

ALTER TABLE accounts
  ADD COLUMN suspended_at     timestamptz,
  -- For operators, and never shown to the account.
  ADD COLUMN suspended_reason text,
  -- Limits of a minute that replace those of the network for this account (DINF_ACCOUNT_RPM and so on).
  ADD COLUMN rpm_limit        bigint CHECK (rpm_limit > 0),
  ADD COLUMN itpm_limit       bigint CHECK (itpm_limit > 0),
  ADD COLUMN otpm_limit       bigint CHECK (otpm_limit > 0);
CREATE INDEX accounts_suspended ON accounts (id) WHERE suspended_at IS NOT NULL;
-- Operators search by the whole address or its beginning.
CREATE INDEX users_by_email ON users (lower(email) text_pattern_ops);
CREATE INDEX users_by_account ON users (account);

-- Why a machine gets no jobs although trust has verified it: `drained`, `owner_suspended`.
ALTER TABLE providers ADD COLUMN pauses text[] NOT NULL DEFAULT '{}';

-- A reward is earned money that the platform pays out of its fees (docs/decisions/0115-rewards-are-paid-from-fees.md).
ALTER TABLE ledger_transactions DROP CONSTRAINT ledger_transactions_kind_check;
ALTER TABLE ledger_transactions ADD CONSTRAINT ledger_transactions_kind_check
  CHECK (kind IN ('credit', 'deposit', 'withdrawal', 'withdrawal_fee', 'withdrawal_returned', 'withdrawal_fee_returned',
    'payment_reversed', 'payment_restored', 'debt_paid', 'reward')) NOT VALID;

-- How much an account may spend in a UTC day, over all its keys, in micro-dollars. An account without a row has no limit.
CREATE TABLE account_caps (
  account text PRIMARY KEY,
  day_cap bigint NOT NULL CHECK (day_cap >= 0)
);

-- What is left of the cap of today. The spending of each key is counted in `key_limits`, so that nothing is counted twice. The
-- caller has locked the row of the account in `ledger_accounts`.
CREATE FUNCTION account_day_room(asked_account text, asked_cap bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT greatest(0, asked_cap - coalesce(sum(k.day_used), 0))::bigint FROM key_limits k WHERE k.account = asked_account AND k.day = utc_day(now())
$$;

-- As in 0099. New is the cap of the account.
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
  day_rooms bigint[] := array_fill(NULL::bigint, ARRAY[cardinality(accounts)]);
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
  -- A statement of its own, after the locks: it must see the holds of the transactions that had them before.
  FOR known IN SELECT u.n, account_day_room(u.id, c.day_cap) AS free FROM unnest(accounts) WITH ORDINALITY AS u(id, n) JOIN account_caps c ON c.account = u.id LOOP
    day_rooms[known.n] := known.free;
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
    ELSIF amounts[i] > 0 AND day_rooms[a] < amounts[i] THEN
      results[i] := 'account_limit';
    ELSE
      room[a] := room[a] - amounts[i];
      taken[a] := taken[a] + amounts[i];
      day_rooms[a] := day_rooms[a] - amounts[i];
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

-- As in 0099. New is the cap of the account.
CREATE OR REPLACE FUNCTION ledger_top_up(asked_job text, asked_provider text, asked_payee text, asked_price bigint, amount bigint, OUT result text, OUT held bigint)
LANGUAGE plpgsql AS $$
DECLARE
  known holds;
  extra bigint;
  room bigint;
  key_left bigint;
  day_left bigint;
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
  SELECT account_day_room(c.account, c.day_cap) INTO day_left FROM account_caps c WHERE c.account = known.account;
  SELECT key_room(l) INTO key_left FROM key_limits l WHERE l.key = known.key FOR UPDATE;
  IF room < extra THEN
    result := 'insufficient_funds';
  ELSIF extra > 0 AND key_left < extra THEN
    result := 'key_limit';
  ELSIF extra > 0 AND day_left < extra THEN
    result := 'account_limit';
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
