SELECT name FROM operators WHERE key_hash = $1 AND revoked_at IS NULL
