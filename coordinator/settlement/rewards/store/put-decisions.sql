INSERT INTO machine_rewards (day, provider, account, amount, reasons, ready, serving, requests)
SELECT $1::date, provider, account, amount, reasons, ready, serving, requests
FROM jsonb_to_recordset($2::jsonb) AS given
  (provider text, account text, amount bigint, reasons jsonb, ready int, serving int, requests bigint)
