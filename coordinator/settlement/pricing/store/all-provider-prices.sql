SELECT DISTINCT ON (provider, model) provider, model, input_per_million AS "inputPerMillion", output_per_million AS "outputPerMillion"
FROM provider_prices
WHERE effective_from <= $1 AND (provider, model) > ($2, $3)
ORDER BY provider, model, effective_from DESC LIMIT $4
