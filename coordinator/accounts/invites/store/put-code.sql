INSERT INTO referral_codes (account, code) VALUES ($1, $2)
ON CONFLICT (account) DO UPDATE SET code = excluded.code
