-- Serialises the links of one owner, so that their number cannot exceed the limit.
SELECT pg_advisory_xact_lock(hashtextextended($1, 73))
