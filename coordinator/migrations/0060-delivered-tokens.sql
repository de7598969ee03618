-- Completion tokens that the ingress proved to be delivered. A job whose ingress died is charged for no more than these; 0 where
-- the receipt brought no valid proof, and for receipts that were written before this migration.
ALTER TABLE receipts ADD COLUMN delivered_tokens bigint NOT NULL DEFAULT 0;
