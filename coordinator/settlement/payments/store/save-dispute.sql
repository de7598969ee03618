INSERT INTO disputes AS d (id, deposit, account, amount, status) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (id) DO UPDATE SET amount = excluded.amount, status = excluded.status
WHERE d.status = 'open' AND excluded.status <> 'open' RETURNING id
