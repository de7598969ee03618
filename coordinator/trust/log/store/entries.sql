SELECT index::float8 AS index, entry FROM log_entries WHERE index >= $1 ORDER BY index LIMIT $2
