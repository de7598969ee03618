SELECT count(*) AS keys FROM api_keys WHERE account = $1 AND revoked_at IS NULL
