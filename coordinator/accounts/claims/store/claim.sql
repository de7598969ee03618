-- Takes the claim if no job has it or its time has passed. A job that has it without an answer yet renews it.
WITH taken AS (
  INSERT INTO claimed_requests AS c (account, idempotency_key, digest, job, expires_at) VALUES ($1, $2, $3, $4, $5)
  ON CONFLICT (account, idempotency_key) DO UPDATE SET digest = excluded.digest, job = excluded.job, sealed = NULL, expires_at = excluded.expires_at
    WHERE c.expires_at < now() OR (c.job = excluded.job AND c.sealed IS NULL)
  RETURNING job
)
SELECT true AS taken, NULL AS digest, NULL AS job, NULL AS sealed FROM taken
UNION ALL
SELECT false, digest, job, sealed FROM claimed_requests WHERE account = $1 AND idempotency_key = $2 AND NOT EXISTS (SELECT FROM taken)
