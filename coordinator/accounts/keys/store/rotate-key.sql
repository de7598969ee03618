UPDATE api_keys SET hash = $3, hint = $4 WHERE id = $1 AND account = $2 AND revoked_at IS NULL RETURNING id
