UPDATE users u SET email = coalesce($3, u.email) FROM accounts a
WHERE u.issuer = $1 AND u.subject = $2 AND a.id = u.account
RETURNING u.id, u.account, a.suspended_at IS NOT NULL AS "isSuspended"
