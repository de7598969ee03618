INSERT INTO telemetry_attempts AS t (minute, provider, failure, attempts)
SELECT date_trunc('minute', to_timestamp(a.at / 1000.0)), a.provider, a.failure, count(*)
FROM unnest($1::float8[], $2::text[], $3::text[]) AS a(at, provider, failure)
GROUP BY 1, 2, 3
ON CONFLICT (minute, provider, failure) DO UPDATE SET attempts = t.attempts + excluded.attempts
