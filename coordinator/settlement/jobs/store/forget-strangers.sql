-- Receipts of jobs that never were: a provider can make up any number of them.
DELETE FROM receipts r
WHERE received_at < now() - interval '1 day' AND received_at > now() - interval '3 days'
  AND NOT EXISTS (SELECT 1 FROM charges c WHERE c.job = r.job) AND NOT EXISTS (SELECT 1 FROM holds h WHERE h.job = r.job)
