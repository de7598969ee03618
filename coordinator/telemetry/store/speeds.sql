-- Delays and speeds of complete answers by model: the median, and what 95 % of the answers are not worse than. Only the newest answers
-- of a day are read, so that the work has a bound.
SELECT model, count(*)::float8 AS answers,
  percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY first_content_us / 1e3) AS "firstContentMs",
  percentile_cont(ARRAY[0.5, 0.05]) WITHIN GROUP (ORDER BY delivered_tokens * 1e6 / greatest(1, total_us - first_content_us)) AS "tokensPerSecond"
FROM (
  SELECT model, delivered_tokens, first_content_us, total_us FROM generations
  WHERE at > to_timestamp($1::float8 / 1000) - interval '1 day' AND result = 'completed' AND first_content_us IS NOT NULL
  ORDER BY at DESC LIMIT 20000
) newest
GROUP BY model ORDER BY count(*) DESC LIMIT 1000
