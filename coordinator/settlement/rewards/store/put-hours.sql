-- Adds what machines were ready since the last collection. Minutes count for the trust level that
-- the machine has now; minutes of an hour that were collected before keep theirs. An hour has 60
-- minutes, also if two routers have counted the same machine. Hours in the future come from a router
-- whose clock is wrong. Rows are written in the order of their keys, so that two processes cannot
-- deadlock.
INSERT INTO reward_hours AS r (hour, provider, ready, serving, self_signed, hardware, memory_mb)
SELECT hour, provider, ready, least(serving, ready), CASE WHEN signed THEN ready ELSE 0 END, CASE WHEN hardware THEN ready ELSE 0 END, memory_mb
FROM (
  SELECT date_trunc('hour', to_timestamp(at / 1000)) AS hour, provider, least(60, max(serving + idle)) AS ready, max(serving) AS serving,
    bool_and(level <> 'none') AS signed, bool_and(level = 'hardware') AS hardware, min("memoryMb") AS memory_mb
  FROM jsonb_to_recordset($1::jsonb) AS given (provider text, at float8, serving int, idle int, level text, "memoryMb" int)
  GROUP BY 1, 2
) hours
WHERE hour <= now() AND hour > now() - interval '8 days'
ORDER BY hour, provider
ON CONFLICT (hour, provider) DO UPDATE SET
  ready = excluded.ready, serving = greatest(r.serving, excluded.serving), memory_mb = least(r.memory_mb, excluded.memory_mb),
  self_signed = r.self_signed + CASE WHEN excluded.self_signed > 0 THEN excluded.ready - r.ready ELSE 0 END,
  hardware = r.hardware + CASE WHEN excluded.hardware > 0 THEN excluded.ready - r.ready ELSE 0 END
WHERE excluded.ready > r.ready
