WITH single AS (DELETE FROM generations WHERE at < now() - interval '90 days')
DELETE FROM telemetry_violations WHERE minute < now() - interval '90 days'
