DELETE FROM device_links WHERE expires_at < now() - interval '1 day'
