WITH added AS (
  INSERT INTO generations (job, at, account, key, model, build, provider, result, finish, streamed, attempts, delivered_tokens, first_content_us, total_us, trust_level, route_us, hold_us, routed)
  SELECT g.job, to_timestamp(g.at / 1000.0), g.account, g.key, g.model, g.build, g.provider, g.result, g.finish, g.streamed, g.attempts, g.delivered, g.first_content, g.total, g.trust_level, g.route, g.hold, g.routed::json
  FROM unnest($1::text[], $2::float8[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::boolean[], $11::int[], $12::bigint[], $13::bigint[], $14::bigint[], $15::text[], $16::bigint[], $17::bigint[], $18::text[])
    AS g(job, at, account, key, model, build, provider, result, finish, streamed, attempts, delivered, first_content, total, trust_level, route, hold, routed)
  ORDER BY g.job
  ON CONFLICT (job) DO NOTHING
  RETURNING job, at, model, result, delivered_tokens, first_content_us, total_us
), counted AS (
  INSERT INTO hourly_stats AS s (hour, model, jobs, completed, delivered_tokens, generating_us, generated_tokens)
  SELECT date_trunc('hour', at, 'UTC'), model, count(*), count(*) FILTER (WHERE result = 'completed'), sum(delivered_tokens),
    coalesce(sum(greatest(0, total_us - first_content_us)), 0),
    coalesce(sum(delivered_tokens) FILTER (WHERE first_content_us IS NOT NULL), 0)
  FROM added GROUP BY 1, 2 ORDER BY 1, 2
  ON CONFLICT (hour, model) DO UPDATE SET jobs = s.jobs + excluded.jobs, completed = s.completed + excluded.completed,
    delivered_tokens = s.delivered_tokens + excluded.delivered_tokens, generating_us = s.generating_us + excluded.generating_us,
    generated_tokens = s.generated_tokens + excluded.generated_tokens
)
SELECT job FROM added
