-- What each machine did on the day $1. Machines that were seen within the week before it have a row
-- too, so that their owners read why there is nothing. Requests that were paid with promotional
-- credit, even in part, do not count: it is free for whoever has an invite.
WITH hours AS (
  SELECT provider, coalesce(sum(ready) FILTER (WHERE is_day), 0)::int AS ready, coalesce(sum(serving) FILTER (WHERE is_day), 0)::int AS serving,
    coalesce(sum(self_signed) FILTER (WHERE is_day), 0)::int AS signed, coalesce(sum(hardware) FILTER (WHERE is_day), 0)::int AS hardware,
    min(memory_mb) FILTER (WHERE is_day) AS memory_mb
  FROM (SELECT *, hour >= $1::date::timestamp AT TIME ZONE 'UTC' AS is_day FROM reward_hours) h
  WHERE hour >= ($1::date - 7)::timestamp AT TIME ZONE 'UTC' AND hour < ($1::date + 1)::timestamp AT TIME ZONE 'UTC'
  GROUP BY provider
)
SELECT h.provider, h.ready AS "readyMinutes", h.serving AS "servingMinutes", h.signed AS "signedMinutes", h.hardware AS "hardwareMinutes",
  h.memory_mb AS "memoryMb", c.requests::float8 AS requests, c.model_requests::float8 AS "modelRequests"
FROM hours h CROSS JOIN LATERAL (
  SELECT count(*) AS requests, count(*) FILTER (WHERE $2::text[] IS NULL OR model = ANY($2)) AS model_requests
  FROM charges
  WHERE provider = h.provider AND provider_share > 0 AND from_promotional = 0
    AND at >= $1::date::timestamp AT TIME ZONE 'UTC' AND at < ($1::date + 1)::timestamp AT TIME ZONE 'UTC'
) c
