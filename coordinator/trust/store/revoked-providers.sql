SELECT id FROM providers WHERE revoked_at IS NOT NULL
