INSERT INTO audit_log (id, operator, action, subject, detail, outcome) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (id) DO UPDATE SET outcome = excluded.outcome
