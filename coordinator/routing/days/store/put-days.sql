-- Rows are written in the order of their keys, so that two routers cannot deadlock.
INSERT INTO machine_days AS d (provider, hours, written_at)
SELECT provider, hours, now() FROM jsonb_to_recordset($1::jsonb) AS given (provider text, hours jsonb)
ORDER BY provider
ON CONFLICT (provider) DO UPDATE SET hours = excluded.hours, written_at = now()
