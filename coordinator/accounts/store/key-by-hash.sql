SELECT id, account, revoked_at AS "revokedAt", expires_at AS "expiresAt" FROM api_keys WHERE hash = $1
