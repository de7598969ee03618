INSERT INTO telemetry_jobs AS t (minute, model, result, jobs, delivered_tokens, first_content_us, total_us)
SELECT date_trunc('minute', to_timestamp(j.at / 1000.0)), j.model, j.result, count(*), sum(j.delivered_tokens), sum(j.first_content_us), sum(j.total_us)
FROM unnest($1::float8[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[])
  AS j(at, model, result, delivered_tokens, first_content_us, total_us)
GROUP BY 1, 2, 3
ON CONFLICT (minute, model, result) DO UPDATE SET
  jobs = t.jobs + excluded.jobs, delivered_tokens = t.delivered_tokens + excluded.delivered_tokens,
  first_content_us = t.first_content_us + excluded.first_content_us, total_us = t.total_us + excluded.total_us
