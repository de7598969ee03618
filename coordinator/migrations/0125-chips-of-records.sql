-- expand
-- The chip that a machine reported last, so that what machines earned can be compared between equal ones. A router of an older
-- release leaves it as it is.
ALTER TABLE machine_records ADD COLUMN chip text CHECK (length(chip) <= 64);
GRANT UPDATE (chip) ON machine_records TO dinf_service;
