INSERT INTO logged_models (name, build, weights) VALUES ($1, $2, $3)
ON CONFLICT (name, build) DO UPDATE SET weights = excluded.weights
