INSERT INTO disputes AS d (id, deposit, account, amount, status, is_inquiry) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (id) DO UPDATE SET amount = excluded.amount, status = excluded.status, is_inquiry = excluded.is_inquiry
WHERE d.status = 'open' AND (excluded.status <> 'open' OR (d.is_inquiry AND NOT excluded.is_inquiry)) RETURNING id
