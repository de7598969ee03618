SELECT v.level, v.evidence, v.fresh_until::float8 AS "freshUntil"
FROM verdicts v JOIN providers p ON p.id = v.provider
WHERE p.revoked_at IS NULL AND v.standing = 'verified' AND v.fresh_until > $1 AND v.provider = $2
