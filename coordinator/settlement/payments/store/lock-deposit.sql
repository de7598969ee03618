SELECT id, account, amount, status, session, url FROM deposits WHERE id = $1 FOR UPDATE
