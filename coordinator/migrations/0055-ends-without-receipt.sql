-- A job whose end an ingress stated without a receipt that it could check: `ended` is that fact and `ended_by` the provider it
-- names. The hold is kept until the provider's signed receipt arrives; without one it expires and the customer pays nothing.
ALTER TABLE holds ADD COLUMN ended bytea, ADD COLUMN ended_by text;
CREATE INDEX holds_without_receipt ON holds (expires_at) WHERE ended IS NOT NULL;
