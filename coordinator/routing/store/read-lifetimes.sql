-- As float8, because the driver returns bigint as text.
SELECT provider, served::float8, failed::float8, refused::float8, blamed::float8, tokens::float8,
  floor(1000 * extract(epoch FROM first_seen_at))::float8 AS "firstSeenAt",
  floor(1000 * extract(epoch FROM seen_at))::float8 AS "seenAt", chip
FROM machine_records WHERE provider = ANY($1)
