-- What a key spent is counted for every key, and not only for keys with a limit. A key gets its row in `key_limits` with its first
-- hold, in the transaction of that hold; holds, ends and crashes then change the row as that of a limited key. One row for each key.

-- Holds and ends wait until the keys of the past have their rows.
LOCK TABLE ledger_accounts, key_limits, holds, charges IN ACCESS EXCLUSIVE MODE;

INSERT INTO key_limits (key, account, day, day_used, week, week_used, month, month_used, total_used)
SELECT key, min(account),
  utc_day(now()), coalesce(sum(amount) FILTER (WHERE utc_day(held_at) = utc_day(now())), 0),
  utc_week(now()), coalesce(sum(amount) FILTER (WHERE utc_week(held_at) = utc_week(now())), 0),
  utc_month(now()), coalesce(sum(amount) FILTER (WHERE utc_month(held_at) = utc_month(now())), 0),
  sum(amount)
FROM (
  SELECT key, account, held_at, charged AS amount FROM charges
  UNION ALL SELECT key, account, held_at, held FROM holds
) spent
GROUP BY key
ON CONFLICT (key) DO NOTHING;

CREATE INDEX key_limits_of_account ON key_limits (account);

-- Makes the rows of keys that have none. Locks the accounts first, as every hold does, so that two batches cannot deadlock. Open
-- holds are counted for a hold that an older version of `ledger_hold` made without a row.
CREATE FUNCTION watch_keys(accounts text[], keys text[], account_of int[], key_of int[]) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_variable
BEGIN
  IF NOT EXISTS (SELECT FROM unnest(keys) AS u(key) WHERE NOT EXISTS (SELECT FROM key_limits l WHERE l.key = u.key)) THEN
    RETURN;
  END IF;
  PERFORM 1 FROM unnest(accounts) WITH ORDINALITY AS u(id, n) JOIN ledger_accounts l ON l.id = 'consumer:' || u.id ORDER BY u.n FOR UPDATE OF l;
  INSERT INTO key_limits (key, account, day, day_used, week, week_used, month, month_used, total_used)
    SELECT u.key, u.account, utc_day(now()), h.held, utc_week(now()), h.held, utc_month(now()), h.held, h.held
    FROM (
      SELECT DISTINCT ON (keys[p.k]) keys[p.k] AS key, accounts[p.a] AS account FROM unnest(account_of, key_of) AS p(a, k) ORDER BY keys[p.k]
    ) u
    JOIN ledger_accounts l ON l.id = 'consumer:' || u.account
    CROSS JOIN LATERAL (SELECT coalesce(sum(o.held), 0) AS held FROM holds o WHERE o.key = u.key) h
    WHERE NOT EXISTS (SELECT FROM key_limits known WHERE known.key = u.key)
    ORDER BY u.key
  ON CONFLICT (key) DO NOTHING;
END $$;

-- The old function under a new name. Its callers, older processes too, reach it through the one below.
ALTER FUNCTION ledger_hold(
  text[], text[], text[], int[], int[], text[], text[], text[], bigint[], bigint[], bigint[], bigint[], int[], bigint[], text[], bytea, int[],
  boolean[], timestamptz[], boolean
) RENAME TO ledger_hold_watched;

CREATE FUNCTION ledger_hold(
  accounts text[], keys text[], jobs text[], account_of int[], key_of int[], models text[], providers text[], payees text[], prices bigint[],
  prompt_bounds bigint[], output_bounds bigint[], amounts bigint[], fees int[], minimums bigint[], referrers text[], digests bytea, digest_ends int[],
  voids boolean[], expiries timestamptz[], durable boolean, OUT results text[], OUT helds bigint[]
) LANGUAGE plpgsql AS $$
BEGIN
  PERFORM watch_keys($1, $2, $4, $5);
  SELECT w.results, w.helds INTO ledger_hold.results, ledger_hold.helds
  FROM ledger_hold_watched($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20) w;
END $$;
