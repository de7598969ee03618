-- A receipt stays as it first came, but for the proof of delivery: a provider sends a newer one when its ingress has died.
INSERT INTO receipts (job, attempt, provider, build, prompt_tokens, cached_tokens, completion_tokens, finish, request_hash, response_hash, signature, signing_key,
  delivered_tokens)
SELECT DISTINCT ON (job, attempt, provider) *
FROM unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[], $9::bytea[], $10::bytea[], $11::bytea[], $12::bytea[],
  $13::bigint[]) AS r(job, attempt, provider, build, prompt, cached, completion, finish, request, response, signature, signing_key, delivered)
ORDER BY job, attempt, provider, delivered DESC
ON CONFLICT (job, attempt, provider) DO UPDATE SET delivered_tokens = excluded.delivered_tokens
WHERE excluded.delivered_tokens > receipts.delivered_tokens
