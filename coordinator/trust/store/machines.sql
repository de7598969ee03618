SELECT id AS provider, name, enrolled_at AS "enrolledAt", revoked_at AS "revokedAt" FROM providers WHERE account = $1 ORDER BY enrolled_at LIMIT 1000
