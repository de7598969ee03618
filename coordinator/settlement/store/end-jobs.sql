UPDATE job_charges c SET
  status = e.status, ended_at = now(), provider = e.provider, prompt_tokens = e.prompt_tokens, completion_tokens = e.completion_tokens,
  charged = e.charged, provider_share = e.provider_share, fee = e.fee
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
  AS e(job, status, provider, prompt_tokens, completion_tokens, charged, provider_share, fee)
WHERE c.job = e.job AND c.status = 'held'
