UPDATE users SET email = coalesce($3, email) WHERE issuer = $1 AND subject = $2 RETURNING id, account
