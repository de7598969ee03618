INSERT INTO overbilled_jobs (provider, job, at) SELECT id, $2, $3 FROM providers WHERE id = $1 AND revoked_at IS NULL
ON CONFLICT (provider, job) DO NOTHING
