SELECT input_per_million AS "inputPerMillion", cache_read_per_million AS "cacheReadPerMillion", output_per_million AS "outputPerMillion"
FROM provider_prices WHERE provider = $1 AND model = $2 AND effective_from <= $3
ORDER BY effective_from DESC LIMIT 1
