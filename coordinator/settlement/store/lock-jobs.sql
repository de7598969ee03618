SELECT
  c.job, c.status, c.account, c.key, c.model, c.prompt_bound AS "promptBound", c.held,
  p.input_per_million AS "inputPerMillion", p.output_per_million AS "outputPerMillion"
FROM job_charges c LEFT JOIN price_versions p ON p.id = c.price_version
WHERE c.job = ANY($1)
ORDER BY c.job
FOR UPDATE OF c
