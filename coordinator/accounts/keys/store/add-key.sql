INSERT INTO api_keys (id, account, name, hash, hint, disabled, expires_at, rpm_limit, itpm_limit, otpm_limit, allowed_models, self_route_only)
SELECT $1, a.id, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12 FROM accounts a WHERE a.id = $2
ON CONFLICT DO NOTHING
RETURNING id
