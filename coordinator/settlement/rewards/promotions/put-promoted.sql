INSERT INTO machine_promotions (promotion, day, provider, account, tokens, amount, reasons, requests)
SELECT $1, $2::date, provider, account, tokens, amount, reasons, requests
FROM jsonb_to_recordset($3::jsonb) AS given
  (provider text, account text, tokens bigint, amount bigint, reasons jsonb, requests bigint)
