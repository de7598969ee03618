-- Links of one owner are counted one after another.
SELECT pg_advisory_xact_lock(hashtextextended($1, 73))
