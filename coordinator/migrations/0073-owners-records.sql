-- What the machines of an owner did is counted when the owner links another one.
CREATE INDEX providers_by_account ON providers (account, enrolled_at) WHERE account IS NOT NULL;
-- A machine that was caught and then removed can show itself no more, so a pardon of it is written here: it counts against its owner no longer.
ALTER TABLE providers ADD COLUMN pardoned_at timestamptz;
