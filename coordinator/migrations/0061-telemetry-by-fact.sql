-- Generations are written once by their job, so that a fact that is read twice is written once, in whatever order facts come. No cursor
-- is needed any more: it made telemetry skip older facts after a crash, and all facts of a new JetStream store. Nothing reads the
-- violations of each minute; Prometheus counts them.
DROP TABLE telemetry_cursors, telemetry_violations;
