INSERT INTO invites (code, credit, uses_left, expires_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING code
