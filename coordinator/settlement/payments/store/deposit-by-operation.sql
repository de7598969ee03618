SELECT id, account, amount, status, session, url FROM deposits WHERE account = $1 AND operation = $2
