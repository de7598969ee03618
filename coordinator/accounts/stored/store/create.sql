-- A repeated call finds the row that the first one made.
INSERT INTO stored_objects AS o (account, id, version, state, runs_until, sealed, expires_at, list_tag) VALUES ($1, $2, 1, $3, $4, $5, $6, $7)
ON CONFLICT (account, id) DO UPDATE SET version = o.version WHERE o.version = 1 AND o.sealed = excluded.sealed
RETURNING o.id
