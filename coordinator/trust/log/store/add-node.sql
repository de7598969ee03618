INSERT INTO log_nodes (level, index, hash) VALUES ($1, $2, $3)
