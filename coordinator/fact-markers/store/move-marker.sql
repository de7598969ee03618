-- Changes nothing if another server answers than the one whose facts are complete.
INSERT INTO fact_markers (stream, consumer, stream_created, sequence)
SELECT $1, $2, $3, $4 WHERE extract(epoch FROM pg_postmaster_start_time())::text = $5
ON CONFLICT (stream, consumer) DO UPDATE SET stream_created = excluded.stream_created, sequence = excluded.sequence
WHERE (fact_markers.stream_created, fact_markers.sequence) IS DISTINCT FROM (excluded.stream_created, excluded.sequence)
