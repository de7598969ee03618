SELECT pg_advisory_xact_lock(6962)
