-- Rows are written in the order of their keys, so that two routers cannot deadlock.
INSERT INTO machine_records AS r
  (provider, served, failed, refused, blamed, tokens, writer, batch, observed_at, state_at, state, chip, memory_mb)
SELECT provider, served, failed, refused, blamed, tokens, $1, $2,
  coalesce(now() - "observedAgeMs" * interval '1 millisecond', '-infinity'), now(), state, chip, "memoryMb"
FROM jsonb_to_recordset($3::jsonb) AS given (provider text, served bigint, failed bigint, refused bigint, blamed bigint,
  tokens bigint, "observedAgeMs" float8, state jsonb, chip text, "memoryMb" int)
ORDER BY provider
ON CONFLICT (provider) DO UPDATE SET
  (served, failed, refused, blamed, tokens) = (
    -- The same batch a second time: its answer was lost, and its counts are in the row already.
    SELECT r.served + isNew * excluded.served, r.failed + isNew * excluded.failed, r.refused + isNew * excluded.refused,
      r.blamed + isNew * excluded.blamed, r.tokens + isNew * excluded.tokens
    FROM (SELECT CASE WHEN r.writer = excluded.writer AND r.batch >= excluded.batch THEN 0 ELSE 1 END) AS repeated (isNew)
  ),
  (observed_at, state_at, state) = (
    SELECT CASE WHEN isNewer THEN excluded.observed_at ELSE r.observed_at END,
      CASE WHEN isNewer THEN excluded.state_at ELSE r.state_at END,
      CASE WHEN isNewer THEN excluded.state ELSE r.state END
    -- A time in the future was written before the clock of the database was set back.
    FROM (SELECT excluded.observed_at >= r.observed_at OR r.observed_at > now()) AS compared (isNewer)
  ),
  seen_at = now(), writer = excluded.writer, batch = excluded.batch,
  -- A machine that has left before its batch was written has neither chip nor memory in it.
  chip = coalesce(excluded.chip, r.chip), memory_mb = coalesce(excluded.memory_mb, r.memory_mb)
