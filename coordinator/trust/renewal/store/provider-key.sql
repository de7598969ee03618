SELECT salt, user_key AS "userKey", revoked_at AS "revokedAt" FROM providers WHERE id = $1
