INSERT INTO releases (code_hash, version, signature) VALUES ($1, $2, $3) ON CONFLICT (code_hash) DO NOTHING RETURNING code_hash
