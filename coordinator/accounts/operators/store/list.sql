SELECT name, created_at AS "createdAt", revoked_at AS "revokedAt" FROM operators ORDER BY name LIMIT 1000
