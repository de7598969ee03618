INSERT INTO telemetry_cursors (stream, sequence) VALUES ($1, $2)
ON CONFLICT (stream) DO UPDATE SET sequence = greatest(telemetry_cursors.sequence, excluded.sequence)
