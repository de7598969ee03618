SELECT provider, model, input_per_million AS "inputPerMillion", output_per_million AS "outputPerMillion", effective_from AS "effectiveFrom"
FROM provider_prices WHERE effective_from > $1 ORDER BY effective_from, provider, model LIMIT 1000
