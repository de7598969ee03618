DELETE FROM logged_models WHERE name = $1 AND build = $2
