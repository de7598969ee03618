INSERT INTO device_attestations (provider, serial, due_at) VALUES ($1, $2, $3)
ON CONFLICT (provider) DO UPDATE
SET serial = excluded.serial, due_at = excluded.due_at, attempts = 0, signing_key = NULL, command = NULL, udid = NULL, asked_at = NULL, chain = NULL, at = NULL
WHERE device_attestations.serial <> excluded.serial
