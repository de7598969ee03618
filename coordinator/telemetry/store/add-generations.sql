INSERT INTO generations (job, at, account, key, model, build, provider, result, finish, streamed, attempts, delivered_tokens, first_content_us, total_us, trust_level)
SELECT g.job, to_timestamp(g.at / 1000.0), g.account, g.key, g.model, g.build, g.provider, g.result, g.finish, g.streamed, g.attempts, g.delivered, g.first_content, g.total, g.trust_level
FROM unnest($1::text[], $2::float8[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::boolean[], $11::int[], $12::bigint[], $13::bigint[], $14::bigint[], $15::text[])
  AS g(job, at, account, key, model, build, provider, result, finish, streamed, attempts, delivered, first_content, total, trust_level)
ORDER BY g.job
ON CONFLICT (job) DO NOTHING
RETURNING job
