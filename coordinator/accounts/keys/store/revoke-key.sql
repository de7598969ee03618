UPDATE api_keys SET revoked_at = now() WHERE id = $1 AND ($2::text IS NULL OR account = $2) AND revoked_at IS NULL RETURNING id
