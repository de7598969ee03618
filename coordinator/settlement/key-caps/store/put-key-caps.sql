-- If the key had no row until now, its spending in each window is counted once, from its charges
-- and its holds. The account is locked before, so that no hold is made at the same time.
WITH spent AS (
  SELECT held_at, charged AS amount FROM charges WHERE account = $2 AND key = $1
  UNION ALL SELECT held_at, held FROM holds WHERE key = $1
), used AS (
  SELECT
    coalesce(sum(amount) FILTER (WHERE utc_day(held_at) = utc_day(now())), 0) AS day,
    coalesce(sum(amount) FILTER (WHERE utc_week(held_at) = utc_week(now())), 0) AS week,
    coalesce(sum(amount) FILTER (WHERE utc_month(held_at) = utc_month(now())), 0) AS month,
    coalesce(sum(amount), 0) AS total
  FROM spent
  WHERE NOT EXISTS (SELECT 1 FROM key_limits WHERE key = $1)
)
INSERT INTO key_limits AS k (key, account, day_cap, week_cap, month_cap, total_cap, day, day_used, week, week_used, month, month_used, total_used)
SELECT $1, $2, $3, $4, $5, $6, utc_day(now()), day, utc_week(now()), week, utc_month(now()), month, total FROM used
ON CONFLICT (key) DO UPDATE SET day_cap = excluded.day_cap, week_cap = excluded.week_cap, month_cap = excluded.month_cap, total_cap = excluded.total_cap
RETURNING
  CASE WHEN k.day = utc_day(now()) THEN k.day_used ELSE 0 END AS day, CASE WHEN k.week = utc_week(now()) THEN k.week_used ELSE 0 END AS week,
  CASE WHEN k.month = utc_month(now()) THEN k.month_used ELSE 0 END AS month, k.total_used AS total
