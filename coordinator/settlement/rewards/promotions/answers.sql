-- What each machine answered for each customer on the day $1, of the models $2. Tokens count if they were
-- paid with money; promotional credit, even in part, is free for whoever has an invite. The order of the
-- customers decides who uses up a limit first, so it is fixed.
SELECT provider, account AS customer, count(*)::int AS requests,
  coalesce(sum(completion_tokens) FILTER (WHERE from_promotional = 0), 0)::float8 AS tokens
FROM charges
WHERE provider_share > 0 AND model = ANY($2::text[])
  AND at >= $1::date::timestamp AT TIME ZONE 'UTC' AND at < ($1::date + 1)::timestamp AT TIME ZONE 'UTC'
GROUP BY provider, account ORDER BY provider, account
