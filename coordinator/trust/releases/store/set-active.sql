UPDATE releases SET withdrawn_at = CASE WHEN $2 THEN NULL ELSE coalesce(withdrawn_at, now()) END WHERE code_hash = $1 AND (withdrawn_at IS NULL) <> $2 RETURNING version
