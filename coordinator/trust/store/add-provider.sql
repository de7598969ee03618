INSERT INTO providers (id, salt, token_hash, user_key, name) VALUES ($1, $2, $3, $4, $5)
