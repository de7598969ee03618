-- Selects the marker of a consumer together with the start of the server that answers.
SELECT extract(epoch FROM pg_postmaster_start_time())::text AS "startedAt", m.stream_created AS "streamCreated", m.sequence
FROM (SELECT) this LEFT JOIN fact_markers m ON m.stream = $1 AND m.consumer = $2
