-- expand
-- Tokens of an answer that another machine wrote before the one that signed the receipt; null if it wrote all of them.
ALTER TABLE receipts ADD COLUMN continued_tokens bigint;
