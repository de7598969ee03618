SELECT count(*)::float8 AS open, coalesce(sum(held), 0)::float8 AS "heldMicroUsd",
  count(*) FILTER (WHERE expires_at < now() - interval '1 minute')::float8 AS overdue
FROM holds
