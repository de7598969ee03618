-- A decision about a machine never approves a sign-in, and the other way round.
WITH before AS (SELECT state, expires_at < now() AS expired FROM device_links WHERE user_code = $1 AND purpose = $4 FOR UPDATE),
after AS (
  UPDATE device_links d SET state = CASE WHEN $3 THEN 'approved' ELSE 'denied' END, account = $2
  WHERE d.user_code = $1 AND d.purpose = $4 AND d.state = 'pending' AND d.expires_at >= now()
)
SELECT state, expired FROM before
