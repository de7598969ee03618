SELECT coalesce(sum(n) FILTER (WHERE code_hash = $1), 0)::int AS losing, coalesce(sum(n) FILTER (WHERE code_hash <> $1), 0)::int AS staying
FROM (
  SELECT v.code_hash, count(*) AS n
  FROM verdicts v JOIN providers p ON p.id = v.provider
  WHERE v.standing = 'verified' AND p.revoked_at IS NULL
  GROUP BY v.code_hash
) AS by_code
