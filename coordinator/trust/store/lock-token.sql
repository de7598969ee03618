SELECT expires_at < now() AS expired, account FROM enrolment_tokens WHERE hash = $1 FOR UPDATE
