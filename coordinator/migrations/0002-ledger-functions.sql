-- One call moves the money of a whole batch. Locks are always taken in the same order: the job's hold, accounts by id, keys by
-- name; so two batches never wait for each other in a circle. Plans are held to the indexes, because a table that was empty when
-- the plan was made is not empty for long.

CREATE FUNCTION utc_day(at timestamptz) RETURNS date LANGUAGE sql IMMUTABLE AS $$ SELECT (at AT TIME ZONE 'UTC')::date $$;
CREATE FUNCTION utc_week(at timestamptz) RETURNS date LANGUAGE sql IMMUTABLE AS $$ SELECT date_trunc('week', at AT TIME ZONE 'UTC')::date $$;
CREATE FUNCTION utc_month(at timestamptz) RETURNS date LANGUAGE sql IMMUTABLE AS $$ SELECT date_trunc('month', at AT TIME ZONE 'UTC')::date $$;

-- What a key may still spend; NULL without a limit. A window that is over counts for nothing.
CREATE FUNCTION key_room(k key_limits) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT least(
    k.day_cap - CASE WHEN k.day = utc_day(now()) THEN k.day_used ELSE 0 END,
    k.week_cap - CASE WHEN k.week = utc_week(now()) THEN k.week_used ELSE 0 END,
    k.month_cap - CASE WHEN k.month = utc_month(now()) THEN k.month_used ELSE 0 END,
    k.total_cap - k.total_used
  )
$$;

CREATE FUNCTION key_take(keys text[], amounts bigint[]) RETURNS void LANGUAGE sql AS $$
  UPDATE key_limits k SET
    day_used = CASE WHEN k.day = utc_day(now()) THEN k.day_used ELSE 0 END + t.amount, day = utc_day(now()),
    week_used = CASE WHEN k.week = utc_week(now()) THEN k.week_used ELSE 0 END + t.amount, week = utc_week(now()),
    month_used = CASE WHEN k.month = utc_month(now()) THEN k.month_used ELSE 0 END + t.amount, month = utc_month(now()),
    total_used = k.total_used + t.amount
  FROM unnest(keys, amounts) AS t(key, amount) WHERE k.key = t.key AND t.amount > 0
$$;

-- The n-th row's bytes out of one value; NULL when it has none.
CREATE FUNCTION between_ends(bytes bytea, ends int[], n bigint) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
  SELECT nullif(substring(bytes FROM coalesce(ends[n - 1], 0) + 1 FOR ends[n] - coalesce(ends[n - 1], 0)), '')
$$;

-- Sets money aside for a batch of jobs, each on its own merit, in the order asked. `accounts` and `keys` are named once each, in
-- order; a job points at them by number. A consumer waits for it: unless `durable`, the commit does not wait for the disk
-- (docs/decisions/0020-holds-do-not-wait-for-the-disk.md). `ended` is a job whose end came first. No answers mean that all were held as asked.
CREATE FUNCTION ledger_hold(
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
    SELECT u.n, l.balance - l.held AS free
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

-- The job goes to another provider, who may be dearer: raises its hold to `amount`, never lowers it. The same again changes nothing.
CREATE FUNCTION ledger_top_up(asked_job text, asked_provider text, asked_payee text, asked_price bigint, amount bigint, OUT result text, OUT held bigint)
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
  SELECT l.balance - l.held INTO room FROM ledger_accounts l WHERE l.id = 'consumer:' || known.account FOR UPDATE;
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

-- Ends a batch of jobs: each hold goes, its charge is written, the money moves, what it frees of the key's limits is given back,
-- and what to tell is put into the outbox, all or nothing. Digests and facts come as one value each, with where each row's end. Answers with the jobs that it ended: one that has no hold any more was
-- ended by somebody else. `revisions` are those of the holds that the charges were worked out from.
CREATE FUNCTION ledger_end(
  jobs text[], revisions int[], outcomes text[], providers text[], payees text[], prompts bigint[], cacheds bigint[], completions bigint[],
  charges bigint[], shares bigint[], fees bigint[], referrals bigint[], digests bytea, digest_ends int[], facts bytea, fact_ends int[]
) RETURNS text[] LANGUAGE plpgsql
SET enable_seqscan = off SET enable_mergejoin = off SET enable_material = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
  ended text[];
  gone_holds bigint;
BEGIN
  WITH asked AS (
    SELECT e.*, between_ends(digests, digest_ends, n) AS digest, between_ends(facts, fact_ends, n) AS payload
    FROM unnest(jobs, revisions, outcomes, providers, payees, prompts, cacheds, completions, charges, shares, fees, referrals)
      WITH ORDINALITY AS e(job, revision, outcome, provider, payee, prompt, cached, completion, charged, share, fee, referral, n)
  ), gone AS (
    DELETE FROM holds h WHERE h.job = ANY(jobs)
    RETURNING h.job, h.revision, h.account, h.key, h.model, h.price_version, h.held, h.held_at, h.referrer
  ), ends AS (
    SELECT e.*, g.account, g.key, g.model, g.price_version, g.held, g.held_at, g.referrer
    FROM gone g JOIN asked e ON e.job = g.job AND e.revision = g.revision
  ), locked AS (
    SELECT l.id, l.balance - l.earned AS bought FROM ledger_accounts l
    WHERE l.id IN (SELECT 'consumer:' || account FROM ends UNION SELECT payee FROM ends WHERE share > 0
      UNION SELECT referrer FROM ends WHERE referral > 0 UNION SELECT 'platform:fees')
    ORDER BY l.id FOR UPDATE
  ), split AS (
    -- Bought money first: what the account's charges up to this one exceed it by is earned money.
    SELECT e.*, greatest(0, least(e.charged, sum(e.charged) OVER (PARTITION BY e.account ORDER BY e.n) - l.bought))::bigint AS from_earned
    FROM ends e JOIN locked l ON l.id = 'consumer:' || e.account
  ), written AS (
    INSERT INTO charges (job, outcome, account, key, model, provider, payee, price_version, held, prompt_tokens, cached_tokens, completion_tokens,
      charged, from_earned, provider_share, fee, referral, referrer, digest, held_at)
    SELECT s.job, s.outcome, s.account, s.key, s.model, s.provider, CASE WHEN s.share > 0 THEN s.payee END, s.price_version, s.held, s.prompt, s.cached,
      s.completion, s.charged, s.from_earned, s.share, s.fee, s.referral, CASE WHEN s.referral > 0 THEN s.referrer END, s.digest, s.held_at
    FROM split s
    RETURNING job
  ), moved AS (
    UPDATE ledger_accounts l SET balance = l.balance + m.amount, earned = l.earned + m.earned, held = l.held - m.freed
    FROM (
      SELECT id, sum(amount) AS amount, sum(earned) AS earned, sum(freed) AS freed FROM (
        SELECT 'consumer:' || account AS id, -charged AS amount, -from_earned AS earned, held AS freed FROM split
        UNION ALL SELECT payee, share, share, 0 FROM split WHERE share > 0
        UNION ALL SELECT referrer, referral, referral, 0 FROM split WHERE referral > 0
        UNION ALL SELECT 'platform:fees', fee, 0, 0 FROM split WHERE fee > 0
      ) parts GROUP BY id
    ) m WHERE l.id = m.id
  ), counted AS (
    INSERT INTO earnings AS t (account, source, hour, jobs, prompt_tokens, completion_tokens, amount)
    SELECT account, source, date_trunc('hour', now()), count(*), sum(prompt), sum(completion), sum(amount) FROM (
      SELECT payee AS account, provider AS source, prompt, completion, share AS amount FROM split WHERE share > 0
      UNION ALL SELECT referrer, 'referrals', 0, 0, referral FROM split WHERE referral > 0
    ) parts GROUP BY account, source ORDER BY account, source
    ON CONFLICT (account, source, hour) DO UPDATE SET jobs = t.jobs + excluded.jobs, prompt_tokens = t.prompt_tokens + excluded.prompt_tokens,
      completion_tokens = t.completion_tokens + excluded.completion_tokens, amount = t.amount + excluded.amount
  ), limited AS (
    SELECT key, day, week, month FROM key_limits WHERE key IN (SELECT key FROM split) ORDER BY key FOR UPDATE
  ), given_back AS (
    UPDATE key_limits k SET day_used = k.day_used - f.day, week_used = k.week_used - f.week, month_used = k.month_used - f.month, total_used = k.total_used - f.total
    FROM (
      SELECT s.key, sum(s.held - s.charged) AS total,
        coalesce(sum(s.held - s.charged) FILTER (WHERE utc_day(s.held_at) = l.day), 0) AS day,
        coalesce(sum(s.held - s.charged) FILTER (WHERE utc_week(s.held_at) = l.week), 0) AS week,
        coalesce(sum(s.held - s.charged) FILTER (WHERE utc_month(s.held_at) = l.month), 0) AS month
      FROM split s JOIN limited l ON l.key = s.key
      GROUP BY s.key
    ) f WHERE k.key = f.key
  ), told AS (
    INSERT INTO settlement_outbox (subject, message_ids, payloads)
    SELECT 'evt.settlement.settled', array_agg('settled:' || job ORDER BY n), array_agg(payload ORDER BY n) FROM split WHERE payload IS NOT NULL
    HAVING count(*) > 0
  )
  SELECT coalesce(array_agg(w.job), '{}'), (SELECT count(*) FROM gone) INTO ended, gone_holds FROM written w;
  IF cardinality(ended) <> gone_holds THEN
    RAISE EXCEPTION 'a hold changed since its charge was worked out' USING ERRCODE = 'serialization_failure';
  END IF;
  RETURN ended;
END $$;

-- One transaction with a name. Answers with the digest it was first written with. An account that lacks the money breaks a constraint.
CREATE FUNCTION ledger_post(
  asked_operation text, asked_kind text, asked_digest bytea, accounts text[], kinds text[], amounts bigint[], earneds bigint[], subject text, payload bytea,
  OUT posted boolean, OUT digest bytea
) LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT sum(a) FROM unnest(amounts) AS a) <> 0 THEN
    RAISE EXCEPTION 'the entries of % do not sum to zero', asked_operation USING ERRCODE = 'check_violation';
  END IF;
  INSERT INTO ledger_accounts (id, kind) SELECT id, kind FROM unnest(accounts, kinds) AS a(id, kind) ORDER BY id ON CONFLICT DO NOTHING;
  PERFORM 1 FROM ledger_accounts l WHERE l.id = ANY(accounts) ORDER BY l.id FOR UPDATE;
  INSERT INTO ledger_transactions (operation, kind, digest) VALUES (asked_operation, asked_kind, asked_digest) ON CONFLICT DO NOTHING;
  posted := FOUND;
  IF posted THEN
    INSERT INTO ledger_entries (operation, account, amount, earned)
      SELECT asked_operation, e.account, e.amount, e.earned FROM unnest(accounts, amounts, earneds) AS e(account, amount, earned);
    UPDATE ledger_accounts l SET balance = l.balance + e.amount, earned = l.earned + e.earned
      FROM unnest(accounts, amounts, earneds) AS e(account, amount, earned) WHERE l.id = e.account;
    INSERT INTO settlement_outbox (subject, message_ids, payloads) VALUES (ledger_post.subject, ARRAY['posted:' || asked_operation], ARRAY[payload]);
  END IF;
  SELECT t.digest INTO digest FROM ledger_transactions t WHERE t.operation = asked_operation;
END $$;
