-- What the provider signed, and with which key. Null where it did not.
ALTER TABLE receipts ADD COLUMN signature bytea, ADD COLUMN signing_key bytea;
