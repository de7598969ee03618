-- Nothing read these counts; the metrics of telemetry have the same figures. A copy of telemetry of an older version cannot store
-- facts after this: it keeps its cursor and tries again until it is replaced, so that no fact is lost.
DROP TABLE telemetry_jobs, telemetry_attempts;
