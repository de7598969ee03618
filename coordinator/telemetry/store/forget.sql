WITH single AS (DELETE FROM generations WHERE at < now() - interval '90 days'),
  jobs AS (DELETE FROM telemetry_jobs WHERE minute < now() - interval '90 days'),
  attempts AS (DELETE FROM telemetry_attempts WHERE minute < now() - interval '90 days')
DELETE FROM telemetry_violations WHERE minute < now() - interval '90 days'
