SELECT 1 AS one FROM accounts WHERE id = $1
