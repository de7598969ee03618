SELECT coalesce(max(index) + 1, 0)::float8 AS size FROM log_entries
