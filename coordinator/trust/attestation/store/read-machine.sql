SELECT p.user_key AS "busKey", p.proven_at IS NOT NULL AS proven, p.pauses, coalesce(v.revision, 0)::float8 AS revision, v.standing, v.level, v.fault, v.evidence, v.fresh_until::float8 AS "freshUntil",
  v.misses, v.nonce, v.nonce_at::float8 AS "nonceAt", v.wake_at::float8 AS "wakeAt", a.chain
FROM providers p LEFT JOIN verdicts v ON v.provider = p.id LEFT JOIN device_attestations a ON a.provider = p.id
WHERE p.id = $1 AND p.revoked_at IS NULL
