SELECT p.account, count(*)::int AS machines, count(*) FILTER (WHERE p.revoked_at IS NOT NULL)::int AS removed,
  count(*) FILTER (WHERE p.enrolled_at > now() - interval '1 day')::int AS "linkedLastDay",
  count(*) FILTER (WHERE v.standing = 'untrusted' AND p.pardoned_at IS NULL)::int AS caught
FROM providers p LEFT JOIN verdicts v ON v.provider = p.id
WHERE p.account IS NOT NULL AND ($1::text IS NULL OR p.account = $1)
GROUP BY p.account ORDER BY caught DESC, machines DESC LIMIT 1000
