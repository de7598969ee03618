-- expand
-- Counts of each hour, for `GET /v1/stats` and `dinf stats`. The statement that writes the row of a job also counts it, so that
-- a fact that is read twice is counted once. Rows have no account, key or machine.
CREATE TABLE hourly_stats (
  -- Beginning of the hour in which the jobs ended.
  hour              timestamptz NOT NULL,
  model             text NOT NULL,
  jobs              bigint NOT NULL CHECK (jobs >= 0),
  completed         bigint NOT NULL CHECK (completed >= 0),
  delivered_tokens  bigint NOT NULL CHECK (delivered_tokens >= 0),
  -- Time from the first content to the end of the jobs that had content, and their tokens: the speed of answers.
  generating_us     bigint NOT NULL CHECK (generating_us >= 0),
  generated_tokens  bigint NOT NULL CHECK (generated_tokens >= 0),
  PRIMARY KEY (hour, model)
) WITH (fillfactor = 70);
