SELECT key, day_cap AS "dayCap", week_cap AS "weekCap", month_cap AS "monthCap", total_cap AS "totalCap",
  CASE WHEN day = utc_day(now()) THEN day_used ELSE 0 END AS day, CASE WHEN week = utc_week(now()) THEN week_used ELSE 0 END AS week,
  CASE WHEN month = utc_month(now()) THEN month_used ELSE 0 END AS month, total_used AS total
FROM key_limits WHERE account = $1 AND ($2::text IS NULL OR key = $2) ORDER BY day DESC, key LIMIT 1000
