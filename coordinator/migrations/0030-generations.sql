-- One row for each job, as long as somebody may ask for it. What it cost stands in the ledger; what was said stands nowhere.
CREATE TABLE generations (
  job              text PRIMARY KEY,
  at               timestamptz NOT NULL,
  account          text NOT NULL,
  key              text NOT NULL,
  model            text NOT NULL,
  build            text NOT NULL,
  provider         text,
  result           text NOT NULL,
  finish           text,
  streamed         boolean NOT NULL,
  attempts         int NOT NULL,
  delivered_tokens bigint NOT NULL,
  first_content_us bigint,
  total_us         bigint NOT NULL
);
CREATE INDEX generations_by_time ON generations (at);
