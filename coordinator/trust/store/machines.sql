SELECT p.id AS provider, p.name, p.enrolled_at AS "enrolledAt", p.revoked_at AS "revokedAt", p.public_name AS "publicName", v.standing, v.level, v.fault
FROM providers p LEFT JOIN verdicts v ON v.provider = p.id
WHERE p.account = $1 ORDER BY p.enrolled_at LIMIT $2
