-- expand
-- The parts of a charge that are paid with promotional credit, as `promotional_parts` in 0090. Postgres puts a function that returns a table
-- into the query that uses it; the older one it calls for each row.
CREATE FUNCTION promotional_split(from_promotional bigint, fee bigint, referral bigint)
RETURNS TABLE (of_fee bigint, of_referral bigint, of_share bigint) LANGUAGE sql IMMUTABLE ROWS 1 AS $$
  SELECT least(fee, from_promotional), least(referral, from_promotional - least(fee, from_promotional)),
    greatest(0, from_promotional - fee - referral)
$$;

-- Ends a batch of jobs, as 0133 does. New is that a locked row and what changes it are summed in one list, where they were joined. Postgres
-- expects a few rows of these lists, so it compared each locked account with each change: 127,000 pairs for 256 jobs of as many accounts.
CREATE OR REPLACE FUNCTION ledger_end(
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
    SELECT l.id, l.balance, l.earned, l.promotional, l.held FROM ledger_accounts l
    WHERE l.id IN (SELECT 'consumer:' || account FROM ends UNION SELECT payee FROM ends WHERE share > 0
      UNION SELECT referrer FROM ends WHERE referral > 0 UNION SELECT 'platform:fees')
    ORDER BY l.id FOR UPDATE
  ), split AS (
    -- Promotional credit first, then bought money, then earned money. Each charge begins where the account's charges before it end.
    SELECT c.*, p.of_fee, p.of_referral, p.of_share FROM (
      SELECT e.*, greatest(0, least(e.charged, sum(e.charged) OVER account_so_far - (l.balance - l.earned)))::bigint AS from_earned,
        greatest(0, least(e.charged, l.promotional - (sum(e.charged) OVER account_so_far - e.charged)))::bigint AS from_promotional
      FROM ends e JOIN locked l ON l.id = 'consumer:' || e.account
      WINDOW account_so_far AS (PARTITION BY e.account ORDER BY e.n)
    ) c CROSS JOIN LATERAL promotional_split(c.from_promotional, c.fee, c.referral) p
  ), written AS (
    INSERT INTO charges (job, outcome, account, key, model, provider, payee, price_version, held, prompt_tokens, cached_tokens, completion_tokens,
      charged, from_earned, from_promotional, provider_share, fee, referral, referrer, digest, held_at)
    SELECT s.job, s.outcome, s.account, s.key, s.model, s.provider, CASE WHEN s.share > 0 THEN s.payee END, s.price_version, s.held, s.prompt, s.cached,
      s.completion, s.charged, s.from_earned, s.from_promotional, s.share, s.fee, s.referral, CASE WHEN s.referral > 0 THEN s.referrer END, s.digest, s.held_at
    FROM split s
    RETURNING job
  ), moved AS (
    UPDATE ledger_accounts l SET balance = m.balance, earned = m.earned, promotional = m.promotional, held = m.held
    FROM (
      SELECT id, sum(balance) AS balance, sum(earned) AS earned, sum(promotional) AS promotional, sum(held) AS held FROM (
        SELECT id, balance, earned, promotional, held FROM locked
        UNION ALL SELECT 'consumer:' || account, -charged, -from_earned, -from_promotional, -held FROM split
        UNION ALL SELECT payee, share, share - of_share, of_share, 0 FROM split WHERE share > 0
        UNION ALL SELECT referrer, referral, referral - of_referral, of_referral, 0 FROM split WHERE referral > 0
        UNION ALL SELECT 'platform:fees', fee, 0, of_fee, 0 FROM split WHERE fee > 0
      ) parts GROUP BY id HAVING count(*) > 1
    ) m WHERE l.id = m.id
  ), counted AS (
    INSERT INTO earnings AS t (account, source, hour, jobs, prompt_tokens, completion_tokens, amount, promotional)
    SELECT account, source, date_trunc('hour', now()), count(*), sum(prompt), sum(completion), sum(amount), sum(promotional) FROM (
      SELECT payee AS account, provider AS source, prompt, completion, share AS amount, of_share AS promotional FROM split WHERE share > 0
      UNION ALL SELECT referrer, 'referrals', 0, 0, referral, of_referral FROM split WHERE referral > 0
    ) parts GROUP BY account, source ORDER BY account, source
    ON CONFLICT (account, source, hour) DO UPDATE SET jobs = t.jobs + excluded.jobs, prompt_tokens = t.prompt_tokens + excluded.prompt_tokens,
      completion_tokens = t.completion_tokens + excluded.completion_tokens, amount = t.amount + excluded.amount,
      promotional = t.promotional + excluded.promotional
  ), limited AS (
    SELECT key, day, week, month, day_used, week_used, month_used, total_used FROM key_limits WHERE key IN (SELECT key FROM split) ORDER BY key FOR UPDATE
  ), given_back AS (
    UPDATE key_limits k SET day_used = u.day_used, week_used = u.week_used, month_used = u.month_used, total_used = u.total_used
    FROM (
      SELECT key, sum(total_used) - sum(freed) AS total_used,
        sum(day_used) - coalesce(sum(freed) FILTER (WHERE utc_day(held_at) = day), 0) AS day_used,
        sum(week_used) - coalesce(sum(freed) FILTER (WHERE utc_week(held_at) = week), 0) AS week_used,
        sum(month_used) - coalesce(sum(freed) FILTER (WHERE utc_month(held_at) = month), 0) AS month_used
      FROM (
        SELECT key, freed, held_at, day_used, week_used, month_used, total_used,
          max(day) OVER of_key AS day, max(week) OVER of_key AS week, max(month) OVER of_key AS month
        FROM (
          SELECT key, 0 AS freed, NULL::timestamptz AS held_at, day_used, week_used, month_used, total_used, day, week, month FROM limited
          UNION ALL SELECT key, held - charged, held_at, 0, 0, 0, 0, NULL, NULL, NULL FROM split
        ) parts WINDOW of_key AS (PARTITION BY key)
      ) known WHERE day IS NOT NULL GROUP BY key
    ) u WHERE k.key = u.key
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

-- As in 0102, with the function above.
CREATE OR REPLACE VIEW ledger_movements AS
  SELECT operation, account, amount, earned, at, tx, promotional, NULL::text AS job FROM ledger_entries
  UNION ALL
  SELECT 'end:' || c.job, m.account, m.amount, m.earned, c.at, c.tx, m.promotional, c.job
  FROM charges c CROSS JOIN LATERAL promotional_split(c.from_promotional, c.fee, c.referral) p CROSS JOIN LATERAL (VALUES
    ('consumer:' || c.account, -c.charged, -c.from_earned, -c.from_promotional),
    (c.payee, c.provider_share, c.provider_share - p.of_share, p.of_share),
    (c.referrer, c.referral, c.referral - p.of_referral, p.of_referral), ('platform:fees', c.fee, 0, p.of_fee)
  ) AS m(account, amount, earned, promotional)
  WHERE m.amount <> 0;
