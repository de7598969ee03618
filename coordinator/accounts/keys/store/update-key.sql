UPDATE api_keys SET name = $3, disabled = $4, expires_at = $5, rpm_limit = $6, itpm_limit = $7, otpm_limit = $8, allowed_models = $9, self_route_only = $10
WHERE id = $1 AND account = $2 AND revoked_at IS NULL
RETURNING id
