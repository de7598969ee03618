INSERT INTO account_terms (account, fee_bps, service, referrer) VALUES ($1, $2, $3, $4)
ON CONFLICT (account) DO UPDATE SET fee_bps = excluded.fee_bps, service = excluded.service, referrer = excluded.referrer
