UPDATE device_attestations SET signing_key = $3, command = $4, udid = $5, asked_at = $6 WHERE provider = $1 AND serial = $2 RETURNING provider
