INSERT INTO verdicts (provider, revision, standing, level, fault, evidence, fresh_until, misses, nonce, nonce_at, wake_at, code_hash)
VALUES ($1, 1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (provider) DO UPDATE SET revision = verdicts.revision + 1, standing = $2, level = $3, fault = $4, evidence = $5, fresh_until = $6,
  misses = $7, nonce = $8, nonce_at = $9, wake_at = $10, code_hash = $11
RETURNING revision::float8 AS revision
