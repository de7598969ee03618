INSERT INTO log_entries (index, entry, hash) VALUES ($1, $2, $3)
