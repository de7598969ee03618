-- A machine that the operator enrolled without an account counts as proven.
INSERT INTO providers (id, salt, token_hash, user_key, name, account, proven_at) VALUES ($1, $2, $3, $4, $5, $6, CASE WHEN $6::text IS NULL THEN now() END)
