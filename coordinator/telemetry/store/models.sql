SELECT model,
  sum(jobs)::float8 AS "monthRequests", sum(delivered_tokens)::float8 AS "monthTokens",
  coalesce(sum(jobs) FILTER (WHERE hour > to_timestamp($1::float8 / 1000) - interval '1 day'), 0)::float8 AS "dayRequests",
  coalesce(sum(delivered_tokens) FILTER (WHERE hour > to_timestamp($1::float8 / 1000) - interval '1 day'), 0)::float8 AS "dayTokens",
  CASE WHEN sum(generating_us) > 0 THEN sum(generated_tokens) * 1e6 / sum(generating_us) ELSE 0 END::float8 AS "tokensPerSecond"
FROM hourly_stats WHERE hour > to_timestamp($1::float8 / 1000) - interval '30 days'
GROUP BY model ORDER BY "monthRequests" DESC LIMIT 1000
