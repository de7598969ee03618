-- Selects the rewards of one account, or of all, before ($5, $6), newest first.
SELECT to_char(day, 'YYYY-MM-DD') AS day, provider, account, amount::float8 AS amount, paid_at AS "paidAt", ready, serving,
  requests::float8 AS requests, reasons
FROM machine_rewards
WHERE ($1::text IS NULL OR account = $1) AND ($2::text IS NULL OR provider = $2) AND day >= $3::date AND day < $4::date
  AND (day < $5::date OR (day = $5::date AND provider > $6))
ORDER BY day DESC, provider
LIMIT $7
