-- A machine that a person linked gets a small share of the traffic until its answers were checked.
ALTER TABLE providers ADD COLUMN proven_at timestamptz;
-- Machines that serve already count as proven.
UPDATE providers SET proven_at = now();
