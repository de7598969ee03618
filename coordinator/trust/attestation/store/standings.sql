SELECT coalesce(v.standing, 'pending') AS standing, count(*)::float8 AS machines
FROM providers p LEFT JOIN verdicts v ON v.provider = p.id
WHERE p.revoked_at IS NULL
GROUP BY 1
