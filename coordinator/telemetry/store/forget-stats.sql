DELETE FROM hourly_stats WHERE hour < now() - interval '90 days'
