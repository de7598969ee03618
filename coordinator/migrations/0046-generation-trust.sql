-- What the machine had shown when it served; null for what was remembered before this was.
ALTER TABLE generations ADD COLUMN trust_level text;
