DELETE FROM claimed_requests WHERE account = $1 AND idempotency_key = $2 AND job = $3
