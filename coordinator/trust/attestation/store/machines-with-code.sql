SELECT v.provider FROM verdicts v JOIN providers p ON p.id = v.provider WHERE v.code_hash = $1 AND v.standing = 'verified' AND p.revoked_at IS NULL
