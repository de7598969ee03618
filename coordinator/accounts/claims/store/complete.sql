UPDATE claimed_requests SET sealed = $4, expires_at = $5 WHERE account = $1 AND idempotency_key = $2 AND job = $3
