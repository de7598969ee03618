SELECT index::float8 AS index FROM log_entries WHERE hash = $1 AND index < $2 ORDER BY index DESC LIMIT 1
