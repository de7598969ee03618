SELECT id, account, name, hint, created_at AS "createdAt", revoked_at AS "revokedAt"
FROM api_keys WHERE $1::text IS NULL OR account = $1
ORDER BY created_at DESC
LIMIT 1000
