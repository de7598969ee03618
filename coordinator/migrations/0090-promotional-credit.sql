-- Promotional credit: money that the operator or an invite gave and that no customer paid in. It is a part of the balance that can
-- be spent and never withdrawn, by its own account or by the accounts that it is spent on. Every transaction moves it in double
-- entry, so what all accounts have of it is always what `external:promotions` gave (docs/decisions/0040-promotional-credit.md).
-- The functions keep their names and parameters: the release before this one books promotional credit through them unawares.

ALTER TABLE ledger_accounts ADD COLUMN promotional bigint NOT NULL DEFAULT 0;
ALTER TABLE ledger_accounts ADD CONSTRAINT promotional_is_there
  CHECK (kind = 'external' OR promotional = 0 OR promotional BETWEEN 0 AND balance - earned);
ALTER TABLE ledger_entries ADD COLUMN promotional bigint NOT NULL DEFAULT 0;
-- Of the charge, what was paid from promotional credit.
ALTER TABLE charges ADD COLUMN from_promotional bigint NOT NULL DEFAULT 0;
ALTER TABLE charges ADD CONSTRAINT promotional_is_a_part
  CHECK (from_promotional >= 0 AND from_promotional + from_earned <= charged) NOT VALID;
-- Of the amount, what was earned as promotional credit.
ALTER TABLE earnings ADD COLUMN promotional bigint NOT NULL DEFAULT 0;

-- A proof by the release before this one does not keep sums of promotional credit. A proof goes on from the last one only where
-- both columns have the same snapshot; otherwise it begins with the first entry.
ALTER TABLE ledger_proofs ADD COLUMN promotional_seen pg_snapshot;
ALTER TABLE ledger_proven ADD COLUMN promotional numeric NOT NULL DEFAULT 0;

-- The promotional part of a charge pays the platform's fee first, then the referrer, then the provider. A charge that is paid
-- partly from promotional credit therefore gives the provider as much withdrawable money as the customer's own money covers.
CREATE FUNCTION promotional_parts(from_promotional bigint, fee bigint, referral bigint, OUT of_fee bigint, OUT of_referral bigint, OUT of_share bigint)
LANGUAGE sql IMMUTABLE AS $$
  SELECT least(fee, from_promotional), least(referral, from_promotional - least(fee, from_promotional)),
    greatest(0, from_promotional - fee - referral)
$$;

CREATE OR REPLACE VIEW ledger_movements AS
  SELECT operation, account, amount, earned, at, tx, promotional FROM ledger_entries
  UNION ALL
  SELECT 'end:' || c.job, m.account, m.amount, m.earned, c.at, c.tx, m.promotional
  FROM charges c CROSS JOIN LATERAL promotional_parts(c.from_promotional, c.fee, c.referral) p CROSS JOIN LATERAL (VALUES
    ('consumer:' || c.account, -c.charged, -c.from_earned, -c.from_promotional),
    (c.payee, c.provider_share, c.provider_share - p.of_share, p.of_share),
    (c.referrer, c.referral, c.referral - p.of_referral, p.of_referral), ('platform:fees', c.fee, 0, p.of_fee)
  ) AS m(account, amount, earned, promotional)
  WHERE m.amount <> 0;

-- Credit that was given before: what is left of it if it was spent first. Entries are never changed, so the split is a transaction
-- of its own that moves no money.
INSERT INTO ledger_transactions (operation, kind, digest) VALUES ('migration:promotional-credit', 'credit', '');
INSERT INTO ledger_entries (operation, account, amount, promotional)
  SELECT 'migration:promotional-credit', l.id, 0, least(l.balance - l.earned - paid_in.amount, given.amount)
  FROM ledger_accounts l
  CROSS JOIN LATERAL (
    SELECT coalesce(sum(e.amount), 0)::bigint AS amount FROM ledger_entries e JOIN ledger_transactions t USING (operation)
    WHERE e.account = l.id AND t.kind = 'deposit'
  ) paid_in
  CROSS JOIN LATERAL (
    SELECT coalesce(sum(e.amount), 0)::bigint AS amount FROM ledger_entries e JOIN ledger_transactions t USING (operation)
    WHERE e.account = l.id AND t.kind = 'credit'
  ) given
  WHERE l.kind = 'consumer' AND least(l.balance - l.earned - paid_in.amount, given.amount) > 0;
INSERT INTO ledger_entries (operation, account, amount, promotional)
  SELECT 'migration:promotional-credit', 'external:promotions', 0, -sum(promotional) FROM ledger_entries
  WHERE operation = 'migration:promotional-credit' HAVING count(*) > 0;
UPDATE ledger_accounts l SET promotional = e.promotional
  FROM ledger_entries e WHERE e.operation = 'migration:promotional-credit' AND e.account = l.id;

-- Ends a batch of jobs, as 0002 says. New is that promotional credit is spent first and is earned as promotional credit.
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
    SELECT l.id, l.balance - l.earned AS not_earned, l.promotional FROM ledger_accounts l
    WHERE l.id IN (SELECT 'consumer:' || account FROM ends UNION SELECT payee FROM ends WHERE share > 0
      UNION SELECT referrer FROM ends WHERE referral > 0 UNION SELECT 'platform:fees')
    ORDER BY l.id FOR UPDATE
  ), split AS (
    -- Promotional credit first, then bought money, then earned money. Each charge begins where the account's charges before it end.
    SELECT c.*, p.of_fee, p.of_referral, p.of_share FROM (
      SELECT e.*, greatest(0, least(e.charged, sum(e.charged) OVER account_so_far - l.not_earned))::bigint AS from_earned,
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
    UPDATE ledger_accounts l SET balance = l.balance + m.amount, earned = l.earned + m.earned,
      promotional = l.promotional + m.promotional, held = l.held - m.freed
    FROM (
      SELECT id, sum(amount) AS amount, sum(earned) AS earned, sum(promotional) AS promotional, sum(freed) AS freed FROM (
        SELECT 'consumer:' || account AS id, -charged AS amount, -from_earned AS earned, -from_promotional AS promotional, held AS freed FROM split
        UNION ALL SELECT payee, share, share - of_share, of_share, 0 FROM split WHERE share > 0
        UNION ALL SELECT referrer, referral, referral - of_referral, of_referral, 0 FROM split WHERE referral > 0
        UNION ALL SELECT 'platform:fees', fee, 0, of_fee, 0 FROM split WHERE fee > 0
      ) parts GROUP BY id
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

-- One transaction with a name, as 0002 says. New is that all of a credit that `external:promotions` gives is promotional.
CREATE OR REPLACE FUNCTION ledger_post(
  asked_operation text, asked_kind text, asked_digest bytea, accounts text[], kinds text[], amounts bigint[], earneds bigint[], subject text, payload bytea,
  OUT posted boolean, OUT digest bytea
) LANGUAGE plpgsql AS $$
DECLARE
  is_gift boolean := asked_kind = 'credit' AND 'external:promotions' = ANY(accounts);
BEGIN
  IF (SELECT sum(a) FROM unnest(amounts) AS a) <> 0 THEN
    RAISE EXCEPTION 'the entries of % do not sum to zero', asked_operation USING ERRCODE = 'check_violation';
  END IF;
  INSERT INTO ledger_accounts (id, kind) SELECT id, kind FROM unnest(accounts, kinds) AS a(id, kind) ORDER BY id ON CONFLICT DO NOTHING;
  PERFORM 1 FROM ledger_accounts l WHERE l.id = ANY(accounts) ORDER BY l.id FOR UPDATE;
  INSERT INTO ledger_transactions (operation, kind, digest) VALUES (asked_operation, asked_kind, asked_digest) ON CONFLICT DO NOTHING;
  posted := FOUND;
  IF posted THEN
    INSERT INTO ledger_entries (operation, account, amount, earned, promotional)
      SELECT asked_operation, e.account, e.amount, e.earned, CASE WHEN is_gift THEN e.amount ELSE 0 END FROM unnest(accounts, amounts, earneds) AS e(account, amount, earned);
    UPDATE ledger_accounts l SET balance = l.balance + e.amount, earned = l.earned + e.earned,
        promotional = l.promotional + CASE WHEN is_gift THEN e.amount ELSE 0 END
      FROM unnest(accounts, amounts, earneds) AS e(account, amount, earned) WHERE l.id = e.account;
    INSERT INTO settlement_outbox (subject, message_ids, payloads) VALUES (ledger_post.subject, ARRAY['posted:' || asked_operation], ARRAY[payload]);
  END IF;
  SELECT t.digest INTO digest FROM ledger_transactions t WHERE t.operation = asked_operation;
END $$;
