SELECT v.provider, v.revision::float8 AS revision, v.standing, v.level, v.fault, v.evidence, v.fresh_until::float8 AS "freshUntil", p.proven_at IS NOT NULL AS proven, p.pauses
FROM verdicts v JOIN providers p ON p.id = v.provider
WHERE p.revoked_at IS NULL AND v.provider > $1
ORDER BY v.provider LIMIT $2
