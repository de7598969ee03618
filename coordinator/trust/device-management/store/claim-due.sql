UPDATE device_attestations a
SET attempts = a.attempts + 1, due_at = $1 + ($2::bigint[])[least(a.attempts + 1, cardinality($2::bigint[]))]
FROM (
  SELECT d.provider, v.evidence
  FROM device_attestations d JOIN verdicts v ON v.provider = d.provider JOIN providers p ON p.id = d.provider
  WHERE d.due_at <= $1 AND v.standing = 'verified' AND v.level = 'self_signed' AND v.fresh_until > $1 AND p.revoked_at IS NULL
  ORDER BY d.due_at LIMIT 1
  FOR UPDATE OF d SKIP LOCKED
) due
WHERE a.provider = due.provider
RETURNING a.provider, a.serial, a.signing_key AS "signingKey", a.command, a.udid, a.asked_at::float8 AS "askedAt", a.chain, due.evidence
