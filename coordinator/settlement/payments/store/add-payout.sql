INSERT INTO payouts (id, account, operation, amount, fee, instant, stripe_account) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (account, operation) DO NOTHING RETURNING id
