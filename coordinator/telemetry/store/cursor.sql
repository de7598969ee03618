SELECT sequence FROM telemetry_cursors WHERE stream = $1 FOR UPDATE
