-- Whose machine it is: what it earns is that account's. A machine that nobody claims earns for itself.
ALTER TABLE enrolment_tokens ADD COLUMN account text;
ALTER TABLE providers ADD COLUMN account text;
