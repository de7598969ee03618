-- expand
-- What each machine did in the hours of its last day, so that its owner sees them after a restart of the router. One row for each
-- machine that was connected within the last two days; the leading router of its cell writes it every few minutes.
CREATE TABLE machine_days (
  -- The machine's account key, as in machine_records.
  provider   text PRIMARY KEY,
  written_at timestamptz NOT NULL DEFAULT now(),
  -- As coordinator/routing/core/machine-hours.ts defines it: 25 hours at most, in about 1 kB.
  hours      jsonb NOT NULL CHECK (length(hours::text) <= 4096)
) WITH (fillfactor = 70);
CREATE INDEX machine_days_by_age ON machine_days (written_at);
