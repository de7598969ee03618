INSERT INTO providers (id, salt, token_hash, user_key, name, account) VALUES ($1, $2, $3, $4, $5, $6)
