-- Stores the receipts of machines that their job was ordered from, and returns those that need not
-- be sent again: the stored ones and those of jobs that have ended. A hostile provider can invent
-- any number of other jobs, so their receipts leave no row. A stored receipt does not change,
-- except for the proof of delivery: a provider sends a newer proof after its ingress died.
-- Both lookups have a limit, which makes Postgres search by index for each receipt. A plain join became a scan of all charges in a
-- process whose connections were prepared while that table was small.
WITH sent AS (
  SELECT DISTINCT ON (job, attempt, provider) *
  FROM unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[], $9::bytea[], $10::bytea[], $11::bytea[],
    $12::bytea[], $13::bigint[], $14::int[], $15::bigint[], $16::bytea[]) AS r(job, attempt, provider, build, prompt, cached, completion, finish, request, response, signature, signing_key,
    delivered, version, continued, group_place)
  ORDER BY job, attempt, provider, delivered DESC
), known AS (
  SELECT s.*, c.job IS NOT NULL AS is_over, coalesce(s.provider = ANY(h.providers), false) OR coalesce(s.provider = c.provider, false) AS is_its_own
  FROM sent s
  LEFT JOIN LATERAL (SELECT providers FROM holds WHERE job = s.job LIMIT 1) h ON true
  LEFT JOIN LATERAL (SELECT job, provider FROM charges WHERE job = s.job LIMIT 1) c ON true
), written AS (
  INSERT INTO receipts (job, attempt, provider, build, prompt_tokens, cached_tokens, completion_tokens, finish, request_hash, response_hash, signature, signing_key,
    delivered_tokens, version, continued_tokens, group_place)
  SELECT job, attempt, provider, build, prompt, cached, completion, finish, request, response, signature, signing_key, delivered, version, continued, group_place FROM known WHERE is_its_own
  ON CONFLICT (job, attempt, provider) DO UPDATE SET delivered_tokens = excluded.delivered_tokens
  WHERE excluded.delivered_tokens > receipts.delivered_tokens
)
SELECT job, attempt, provider FROM known WHERE is_its_own OR is_over
