SELECT n.level, n.index::float8 AS index, n.hash FROM log_nodes n JOIN unnest($1::int[], $2::bigint[]) AS wanted (level, index) USING (level, index)
