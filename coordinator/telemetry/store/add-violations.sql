INSERT INTO telemetry_violations AS t (minute, provider, violation, violations)
SELECT date_trunc('minute', to_timestamp(v.at / 1000.0)), v.provider, v.violation, count(*)
FROM unnest($1::float8[], $2::text[], $3::text[]) AS v(at, provider, violation)
GROUP BY 1, 2, 3
ON CONFLICT (minute, provider, violation) DO UPDATE SET violations = t.violations + excluded.violations
