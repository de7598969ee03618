-- Counts by the minute. The cursor moves in the same transaction, so that an event read twice is counted once.
CREATE TABLE telemetry_jobs (
  minute           timestamptz NOT NULL,
  model            text NOT NULL,
  result           text NOT NULL,
  jobs             bigint NOT NULL,
  delivered_tokens bigint NOT NULL,
  first_content_us bigint NOT NULL,
  total_us         bigint NOT NULL,
  PRIMARY KEY (minute, model, result)
);

CREATE TABLE telemetry_attempts (
  minute   timestamptz NOT NULL,
  provider text NOT NULL,
  failure  text NOT NULL,
  attempts bigint NOT NULL,
  PRIMARY KEY (minute, provider, failure)
);

CREATE TABLE telemetry_violations (
  minute     timestamptz NOT NULL,
  provider   text NOT NULL,
  violation  text NOT NULL,
  violations bigint NOT NULL,
  PRIMARY KEY (minute, provider, violation)
);

CREATE TABLE telemetry_cursors (
  stream   text PRIMARY KEY,
  sequence bigint NOT NULL
);
