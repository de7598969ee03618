SELECT 1 AS active FROM releases WHERE code_hash = $1 AND withdrawn_at IS NULL
