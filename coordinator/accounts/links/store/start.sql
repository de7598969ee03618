INSERT INTO device_links (device_hash, user_code, interval_ms, expires_at) VALUES ($1, $2, $3, $4)
