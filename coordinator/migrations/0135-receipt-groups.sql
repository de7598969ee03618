-- expand
-- The place of a receipt in the group that the provider signed; null if the signature covers this receipt alone.
ALTER TABLE receipts ADD COLUMN group_place bytea;
