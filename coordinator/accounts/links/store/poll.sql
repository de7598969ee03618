-- One statement, so that only one of two simultaneous polls gets the account. A poll that comes too soon lengthens the interval.
WITH before AS (SELECT state, account, purpose, polled_at, interval_ms, expires_at FROM device_links WHERE device_hash = $1 FOR UPDATE),
after AS (
  UPDATE device_links d SET
    state = CASE WHEN d.state = 'approved' AND d.expires_at >= now() THEN 'consumed' ELSE d.state END,
    polled_at = now(),
    interval_ms = CASE WHEN d.state = 'pending' AND d.polled_at > now() - d.interval_ms * interval '1 millisecond' THEN least(d.interval_ms + 5000, 60000) ELSE d.interval_ms END
  WHERE d.device_hash = $1
)
SELECT state, account, purpose, expires_at < now() AS expired, coalesce(polled_at > now() - interval_ms * interval '1 millisecond', false) AS "tooSoon" FROM before
