UPDATE device_attestations SET chain = $4, at = $5, attempts = 0 WHERE provider = $1 AND serial = $2 AND signing_key = $3 RETURNING provider
