UPDATE providers p SET revoked_at = coalesce(p.revoked_at, now())
FROM (SELECT id, revoked_at FROM providers WHERE id = $1 FOR UPDATE) AS before
WHERE p.id = before.id
RETURNING before.revoked_at IS NULL AS first
