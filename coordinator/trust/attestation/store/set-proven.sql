UPDATE providers SET proven_at = CASE WHEN $2::boolean THEN now() END WHERE id = $1
