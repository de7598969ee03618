INSERT INTO api_keys (id, account, name, hash, hint)
SELECT $1, a.id, $3, $4, $5 FROM accounts a WHERE a.id = $2
ON CONFLICT DO NOTHING
RETURNING id
