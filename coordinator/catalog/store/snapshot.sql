SELECT r.revision, m.id, m.display_name AS "displayName", m.context_tokens AS "contextTokens", m.max_output_tokens AS "maxOutputTokens",
  m.builds, m.input_per_million AS "inputPerMillion", m.output_per_million AS "outputPerMillion", m.created_at AS "createdAt"
FROM catalog_revision r LEFT JOIN catalog_models m ON true
ORDER BY m.id
