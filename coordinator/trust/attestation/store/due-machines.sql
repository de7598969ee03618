SELECT v.provider FROM verdicts v JOIN providers p ON p.id = v.provider WHERE v.wake_at <= $1 AND p.revoked_at IS NULL ORDER BY v.wake_at LIMIT $2
