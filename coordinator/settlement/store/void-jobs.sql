INSERT INTO job_charges (job, status, account, key, model, prompt_bound, held, digest, expires_at, ended_at)
SELECT v.job, 'void', v.account, v.key, v.model, 0, 0, '', now(), now()
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS v(job, account, key, model)
ON CONFLICT DO NOTHING
RETURNING job
