SELECT provider, writer, state,
  1000 * greatest(0, extract(epoch FROM now() - state_at))::float8 AS "stateAgeMs",
  1000 * greatest(0, extract(epoch FROM now() - seen_at))::float8 AS "seenAgeMs"
FROM machine_records WHERE provider = ANY($1)
