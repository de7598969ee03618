SELECT pg_advisory_xact_lock(4711002)
