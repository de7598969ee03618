SELECT credit, uses_left AS "usesLeft", coalesce(expires_at < now(), false) AS expired FROM invites WHERE code = $1 FOR UPDATE
