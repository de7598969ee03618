-- Earnings are stored by the hour, so an hour matures as a whole, when its last job has waited long
-- enough. An account that spends earned money spends the oldest first: earnings that are too young
-- are subtracted from the rest. Money that was earned as promotional credit never matures. Running
-- jobs are paid from promotional credit first. All times are in milliseconds.
WITH wait AS (
  SELECT CASE WHEN min(hour) < now() - $2::float8 * interval '1 millisecond' THEN $4::float8 ELSE $3::float8 END * interval '1 millisecond' AS length
  FROM earnings WHERE account = 'consumer:' || $1
), maturing AS (
  SELECT max(hour + interval '1 hour' + length) AS at, sum(amount - promotional) AS amount
  FROM earnings, wait
  WHERE account = 'consumer:' || $1 AND hour > now() - length - interval '1 hour'
  GROUP BY (hour + interval '1 hour' + length)::date HAVING sum(amount - promotional) > 0
),
-- Nothing can be withdrawn while a deposit is disputed or the account owes (decision 0041).
disputed AS (
  SELECT EXISTS (SELECT 1 FROM disputes WHERE account = $1 AND status = 'open') AS is_open
)
SELECT balance - held AS available, held, greatest(0, promotional - held) AS promotional, owed,
  (SELECT CASE WHEN is_open OR owed > 0 THEN 0
    ELSE greatest(0, least(earned, balance - held) - (SELECT coalesce(sum(amount), 0) FROM maturing)) END::bigint FROM disputed) AS withdrawable,
  (SELECT coalesce(json_agg(json_build_object('at', round(extract(epoch FROM at) * 1000), 'amountMicroUsd', amount) ORDER BY at), '[]') FROM maturing) AS maturing
FROM ledger_accounts WHERE id = 'consumer:' || $1
