SELECT (extract(epoch FROM hour) * 1000)::float8 AS at, sum(jobs)::float8 AS requests, sum(completed)::float8 AS completed, sum(delivered_tokens)::float8 AS tokens
FROM hourly_stats WHERE hour > to_timestamp($1::float8 / 1000) - interval '30 days'
GROUP BY hour ORDER BY hour
