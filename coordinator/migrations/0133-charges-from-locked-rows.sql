-- expand
-- Ends a batch of jobs, as 0090 does. New is that the balances and the counts of keys are worked out from the rows that were locked.
-- An UPDATE that adds to a column checks the sum with the row that its snapshot shows first, and reads a newer row only after that.
-- Money that was given to an account while its jobs ended therefore looked like money that was not there (`earned_is_there`).
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
    ) c CROSS JOIN LATERAL promotional_parts(c.from_promotional, c.fee, c.referral) p
  ), written AS (
    INSERT INTO charges (job, outcome, account, key, model, provider, payee, price_version, held, prompt_tokens, cached_tokens, completion_tokens,
      charged, from_earned, from_promotional, provider_share, fee, referral, referrer, digest, held_at)
    SELECT s.job, s.outcome, s.account, s.key, s.model, s.provider, CASE WHEN s.share > 0 THEN s.payee END, s.price_version, s.held, s.prompt, s.cached,
      s.completion, s.charged, s.from_earned, s.from_promotional, s.share, s.fee, s.referral, CASE WHEN s.referral > 0 THEN s.referrer END, s.digest, s.held_at
    FROM split s
    RETURNING job
  ), moved AS (
    UPDATE ledger_accounts l SET balance = k.balance + m.amount, earned = k.earned + m.earned,
      promotional = k.promotional + m.promotional, held = k.held - m.freed
    FROM locked k JOIN (
      SELECT id, sum(amount) AS amount, sum(earned) AS earned, sum(promotional) AS promotional, sum(freed) AS freed FROM (
        SELECT 'consumer:' || account AS id, -charged AS amount, -from_earned AS earned, -from_promotional AS promotional, held AS freed FROM split
        UNION ALL SELECT payee, share, share - of_share, of_share, 0 FROM split WHERE share > 0
        UNION ALL SELECT referrer, referral, referral - of_referral, of_referral, 0 FROM split WHERE referral > 0
        UNION ALL SELECT 'platform:fees', fee, 0, of_fee, 0 FROM split WHERE fee > 0
      ) parts GROUP BY id
    ) m ON m.id = k.id WHERE l.id = k.id
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
    UPDATE key_limits k SET day_used = u.day_used - f.day, week_used = u.week_used - f.week, month_used = u.month_used - f.month, total_used = u.total_used - f.total
    FROM limited u JOIN (
      SELECT s.key, sum(s.held - s.charged) AS total,
        coalesce(sum(s.held - s.charged) FILTER (WHERE utc_day(s.held_at) = l.day), 0) AS day,
        coalesce(sum(s.held - s.charged) FILTER (WHERE utc_week(s.held_at) = l.week), 0) AS week,
        coalesce(sum(s.held - s.charged) FILTER (WHERE utc_month(s.held_at) = l.month), 0) AS month
      FROM split s JOIN limited l ON l.key = s.key
      GROUP BY s.key
    ) f ON f.key = u.key WHERE k.key = u.key
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
