-- Version of the text that the provider signed. The hashes of version 1 are plain SHA-256, those of
-- version 2 are HMACs whose key is not stored.
ALTER TABLE receipts ADD COLUMN version smallint NOT NULL DEFAULT 1;
