INSERT INTO enrolment_tokens (hash, expires_at) VALUES ($1, now() + $2 * interval '1 millisecond') RETURNING expires_at AS "expiresAt"
