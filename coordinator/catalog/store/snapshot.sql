SELECT r.revision, m.id, m.display_name AS "displayName", m.context_tokens AS "contextTokens", m.max_output_tokens AS "maxOutputTokens",
  m.builds, m.traits, m.quantizations, m.weights, m.tokenizer, coalesce(m.input_per_million, $1) AS "inputPerMillion", coalesce(m.cache_read_per_million, coalesce(m.input_per_million, $1) / 2) AS "cacheReadPerMillion",
  coalesce(m.output_per_million, $2) AS "outputPerMillion", m.created_at AS "createdAt", m.description, m.hugging_face_id AS "huggingFaceId",
  m.minimum_memory_gb AS "minimumMemoryGb", m.beta_for AS "betaFor", m.deprecated_at AS "deprecatedAt", m.sunset_at AS "sunsetAt", m.replacement,
  m.shed_until AS "shedUntil", m.shed_reason AS "shedReason", m.previous_build AS "previousBuild"
FROM catalog_revision r LEFT JOIN catalog_models m ON true
ORDER BY m.id
