UPDATE connected_accounts SET payouts = $2, told_at = $3 WHERE stripe_account = $1 AND told_at <= $3 RETURNING account
