SELECT id, at, operator, action, subject, detail, outcome FROM audit_log WHERE at < $1 ORDER BY at DESC LIMIT $2
