INSERT INTO deposits (id, account, operation, amount) VALUES ($1, $2, $3, $4) ON CONFLICT (account, operation) DO NOTHING
