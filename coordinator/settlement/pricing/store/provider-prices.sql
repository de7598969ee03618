SELECT provider, input_per_million AS "inputPerMillion", output_per_million AS "outputPerMillion"
FROM provider_prices WHERE model = $1 ORDER BY input_per_million + output_per_million, provider LIMIT 1000
