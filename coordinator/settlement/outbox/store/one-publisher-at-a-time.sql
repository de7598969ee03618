-- The commit need not wait for the disk. If a crash loses it, the facts are published again, which
-- changes nothing.
SELECT pg_try_advisory_xact_lock(4711003) AS mine, set_config('synchronous_commit', 'off', true)
