-- A cancelled response keeps its state when its last content arrives. A repeated call finds the content that the first one stored.
UPDATE stored_objects
SET version = $3 + 1, state = CASE WHEN state = 'cancelled' THEN state ELSE $4 END, runs_until = $5, sealed = $6, expires_at = $7
WHERE account = $1 AND id = $2 AND expires_at > $8
  AND (version = $3 AND (state <> 'running' OR runs_until >= $8) OR version = $3 + 1 AND sealed = $6)
RETURNING id
