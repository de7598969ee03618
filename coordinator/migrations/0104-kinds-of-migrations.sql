-- expand
-- A component reads with every connection which migrations the database has, and refuses a database with a contract
-- migration that its version does not contain. Only `dinf migrate` writes this table; it connects as the owner.
ALTER TABLE migrations ADD COLUMN contract boolean NOT NULL DEFAULT false;
GRANT SELECT ON migrations TO dinf_service;
