INSERT INTO connected_accounts (account, stripe_account) VALUES ($1, $2) ON CONFLICT DO NOTHING
