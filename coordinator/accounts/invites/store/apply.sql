INSERT INTO referrals (account, referrer) VALUES ($1, $2) ON CONFLICT (account) DO NOTHING RETURNING referrer
