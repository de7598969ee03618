SELECT count(*) FILTER (WHERE parked_at IS NULL)::float8 AS waiting, count(*) FILTER (WHERE parked_at IS NOT NULL)::float8 AS parked
FROM settlement_outbox
