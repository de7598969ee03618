INSERT INTO receipts (job, attempt, provider, build, prompt_tokens, cached_tokens, completion_tokens, finish, request_hash, response_hash, signature, signing_key)
SELECT * FROM unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[], $9::bytea[], $10::bytea[], $11::bytea[], $12::bytea[])
ON CONFLICT DO NOTHING
