-- What routers measured of each machine, so that it outlives them. One row for each machine that was in the fleet within the
-- last 90 days. All times are by the clock of this database, because routers have clocks of their own.
CREATE TABLE machine_records (
  -- The machine's account key, which the hub writes into the subject of each of its messages.
  provider      text PRIMARY KEY,
  first_seen_at timestamptz NOT NULL DEFAULT now(),
  -- A connected machine is written at least once a day.
  seen_at       timestamptz NOT NULL DEFAULT now(),
  -- Lifetime counters. A router adds what it counted since its last write.
  served        bigint NOT NULL CHECK (served >= 0),
  failed        bigint NOT NULL CHECK (failed >= 0),
  refused       bigint NOT NULL CHECK (refused >= 0),
  blamed        bigint NOT NULL CHECK (blamed >= 0),
  tokens        bigint NOT NULL CHECK (tokens >= 0),
  -- The router that wrote the row last and the number of its batch: a batch that is repeated adds its counts once.
  writer        text NOT NULL,
  batch         bigint NOT NULL,
  -- Time of the last job from which the state was measured. An older measurement does not replace a newer one.
  observed_at   timestamptz NOT NULL,
  -- Faults, pace and speeds, as coordinator/routing/core/machine-memory.ts defines them, with durations relative to state_at.
  state_at      timestamptz NOT NULL,
  state         jsonb NOT NULL CHECK (length(state::text) <= 65536)
) WITH (fillfactor = 70);

-- Identity and first sight of a machine never change.
REVOKE UPDATE ON machine_records FROM dinf_service;
GRANT UPDATE (seen_at, served, failed, refused, blamed, tokens, writer, batch, observed_at, state_at, state)
  ON machine_records TO dinf_service;
