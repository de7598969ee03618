SELECT id FROM providers WHERE revoked_at IS NULL
