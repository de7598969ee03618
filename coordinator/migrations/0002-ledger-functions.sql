-- Writes a batch of transactions that the caller has worked out. Entry i belongs to operation entry_of[i], counted from 1, and
-- names an account that no other entry of that operation names. Balances are locked in the order of their ids, so that two batches
-- never wait for each other in a circle. An operation that was written before is not written again: the caller gets its digest
-- to compare.
CREATE FUNCTION ledger_post(operations text[], digests bytea[], entry_of int[], accounts text[], kinds text[], amounts bigint[])
RETURNS TABLE (operation text, posted boolean, digest bytea) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  ids bigint[];
  written bigint[];
BEGIN
  INSERT INTO ledger_accounts (id, kind)
    SELECT DISTINCT a.id, a.kind FROM unnest(accounts, kinds) AS a(id, kind) ORDER BY a.id
    ON CONFLICT DO NOTHING;
  PERFORM 1 FROM ledger_accounts WHERE id = ANY(accounts) ORDER BY id FOR UPDATE;

  -- Numbers are drawn first, so that entries find their transaction by position and not by a join.
  SELECT array_agg(nextval('ledger_transactions_id_seq')) INTO ids FROM generate_series(1, cardinality(operations));
  WITH inserted AS (
    INSERT INTO ledger_transactions (id, operation, digest) OVERRIDING SYSTEM VALUE
      SELECT ids[o.n], o.operation, o.digest FROM unnest(operations, digests) WITH ORDINALITY AS o(operation, digest, n) ORDER BY o.operation
      ON CONFLICT (operation) DO NOTHING
      RETURNING id
  )
  SELECT coalesce(array_agg(id), '{}') INTO written FROM inserted;

  WITH entries AS (
    INSERT INTO ledger_entries (transaction, account, amount)
      SELECT ids[e.operation], e.account, e.amount FROM unnest(entry_of, accounts, amounts) AS e(operation, account, amount)
      WHERE cardinality(written) = cardinality(ids) OR ids[e.operation] = ANY(written)
      RETURNING account, amount
  )
  UPDATE ledger_accounts a SET balance = a.balance + m.amount
    FROM (SELECT account, sum(amount) AS amount FROM entries GROUP BY account) AS m
    WHERE a.id = m.account;

  RETURN QUERY
    SELECT t.operation, t.id = ANY(written), t.digest
    FROM ledger_transactions t WHERE t.operation = ANY(operations);
END $$;

-- Holds money for a batch of jobs, each on its own merit, in the order of their accounts. One call, one round trip: a consumer
-- waits for it. Unless `durable`, the commit does not wait for the disk: a hold that a crash of the database forgets is charged at
-- the job's end all the same (docs/decisions/0020-holds-do-not-wait-for-the-disk.md). `ended` is a job whose end came first.
CREATE FUNCTION ledger_hold(jobs text[], consumers text[], keys text[], models text[], prices bigint[], bounds bigint[], helds bigint[], request_digests bytea[], expiries timestamptz[], durable boolean)
RETURNS TABLE (ordinal bigint, result text, held bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  ask record;
  known job_charges;
  written bigint;
BEGIN
  IF NOT durable THEN
    PERFORM set_config('synchronous_commit', 'off', true);
  END IF;
  FOR ask IN
    SELECT * FROM unnest(jobs, consumers, keys, models, prices, bounds, helds, request_digests, expiries) WITH ORDINALITY
      AS a(job, account, key, model, price, prompt_bound, held, digest, expires_at, ordinal)
    ORDER BY a.account, a.job, a.ordinal
  LOOP
    ordinal := ask.ordinal;
    held := ask.held;
    SELECT * INTO known FROM job_charges c WHERE c.job = ask.job;
    IF FOUND THEN
      held := known.held;
      result := CASE WHEN known.status = 'void' THEN 'ended' WHEN known.digest = ask.digest THEN 'held' ELSE 'operation_conflict' END;
      RETURN NEXT;
      CONTINUE;
    END IF;
    UPDATE ledger_accounts a SET balance = a.balance - ask.held WHERE a.id = 'consumer:' || ask.account AND a.balance >= ask.held;
    IF NOT FOUND THEN
      PERFORM 1 FROM ledger_accounts a WHERE a.id = 'consumer:' || ask.account;
      result := CASE WHEN FOUND THEN 'insufficient_funds' ELSE 'unknown_account' END;
      RETURN NEXT;
      CONTINUE;
    END IF;
    INSERT INTO ledger_accounts AS a (id, kind, balance) VALUES ('held:' || ask.account, 'held', ask.held)
      ON CONFLICT (id) DO UPDATE SET balance = a.balance + excluded.balance;
    INSERT INTO ledger_transactions (operation, digest) VALUES ('hold:' || ask.job, ask.digest) RETURNING id INTO written;
    INSERT INTO ledger_entries (transaction, account, amount)
      SELECT written, e.account, e.amount
      FROM (VALUES ('consumer:' || ask.account, -ask.held), ('held:' || ask.account, ask.held)) AS e(account, amount)
      WHERE e.amount <> 0;
    INSERT INTO job_charges (job, status, account, key, model, price_version, prompt_bound, held, digest, expires_at)
      VALUES (ask.job, 'held', ask.account, ask.key, ask.model, ask.price, ask.prompt_bound, ask.held, ask.digest, ask.expires_at);
    result := 'held';
    RETURN NEXT;
  END LOOP;
END $$;
