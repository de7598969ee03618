UPDATE device_attestations SET command = NULL WHERE command = $1 AND udid = $2 RETURNING provider, serial, signing_key AS "signingKey"
