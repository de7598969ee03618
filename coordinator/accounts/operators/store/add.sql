INSERT INTO operators (name, key_hash) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING name
