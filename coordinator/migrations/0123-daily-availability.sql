-- expand
-- How often a request for a model could have been accepted, for `GET /v1/status`. Telemetry makes one check a minute of each model
-- that everybody may use; each process of telemetry makes its own, so the share counts and not the number.
CREATE TABLE daily_availability (
  -- The day of the checks, in UTC.
  day     date NOT NULL,
  model   text NOT NULL,
  checks  int NOT NULL CHECK (checks > 0),
  -- Checks at which a machine was ready for the model.
  served  int NOT NULL CHECK (served >= 0 AND served <= checks),
  PRIMARY KEY (day, model)
) WITH (fillfactor = 70);
