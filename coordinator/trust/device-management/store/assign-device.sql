INSERT INTO provider_devices (provider, serial) SELECT id, $2 FROM providers WHERE id = $1 AND revoked_at IS NULL
ON CONFLICT (provider) DO UPDATE SET serial = excluded.serial, assigned_at = now()
RETURNING provider
