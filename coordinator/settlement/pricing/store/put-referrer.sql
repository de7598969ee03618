INSERT INTO account_terms (account, service, referrer) VALUES ($1, false, $2)
ON CONFLICT (account) DO UPDATE SET referrer = excluded.referrer
