SELECT id, at, operator, action, subject, detail, outcome FROM audit_log WHERE at < $1 AND ($3::text IS NULL OR operator = $3) ORDER BY at DESC LIMIT $2
