DELETE FROM claimed_requests WHERE expires_at < now()
