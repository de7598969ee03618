WITH account AS (INSERT INTO accounts (id, name) VALUES ($5, coalesce($4, $3)) RETURNING id)
INSERT INTO users (id, issuer, subject, email, account) SELECT $1, $2, $3, $4, id FROM account
RETURNING id, account
