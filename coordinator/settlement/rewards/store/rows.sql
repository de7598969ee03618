-- Selects the rewards of one account, or of all, before ($5, $6), newest first. The name of a row is its
-- machine, and for a promotion also the name of that.
SELECT to_char(day, 'YYYY-MM-DD') AS day, provider, account, amount::float8 AS amount, paid_at AS "paidAt", ready, serving,
  requests::float8 AS requests, tokens::float8 AS tokens, promotion, reasons, name
FROM (
  SELECT day, provider, account, amount, paid_at, ready, serving, requests, NULL::bigint AS tokens, NULL AS promotion, reasons, provider AS name
  FROM machine_rewards WHERE $1::text IS NULL OR account = $1
  UNION ALL
  SELECT day, provider, account, amount, paid_at, 0, 0, requests, tokens, promotion, reasons, provider || ' ' || promotion
  FROM machine_promotions WHERE $1::text IS NULL OR account = $1
) rewards
WHERE ($2::text IS NULL OR provider = $2) AND day >= $3::date AND day < $4::date
  AND (day < $5::date OR (day = $5::date AND name > $6 COLLATE "C"))
ORDER BY rewards.day DESC, name COLLATE "C"
LIMIT $7
