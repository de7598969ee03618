SELECT id, salt, user_key AS "userKey", revoked_at AS "revokedAt" FROM providers WHERE token_hash = $1
