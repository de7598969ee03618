-- Lost in a crash, the commit is told again, which changes nothing: it need not wait for the disk.
SELECT pg_try_advisory_xact_lock(4711003) AS mine, set_config('synchronous_commit', 'off', true)
