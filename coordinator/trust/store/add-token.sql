INSERT INTO enrolment_tokens (hash, expires_at, account) VALUES ($1, now() + $2 * interval '1 millisecond', $3) RETURNING expires_at AS "expiresAt"
