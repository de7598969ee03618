-- SHA-256 of the model's tokenizer.json, in hexadecimal; null where answers are not recounted.
ALTER TABLE catalog_models ADD COLUMN tokenizer text CHECK (tokenizer ~ '^[0-9a-f]{64}$');

-- Jobs for which a machine billed more tokens than its answer holds. Times are milliseconds since 1970, by the clock of trust.
CREATE TABLE overbilled_jobs (
  provider text   NOT NULL REFERENCES providers,
  job      text   NOT NULL,
  at       bigint NOT NULL,
  PRIMARY KEY (provider, job)
);
