DELETE FROM generations WHERE at < now() - interval '90 days'
