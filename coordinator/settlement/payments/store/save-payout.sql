UPDATE payouts SET state = $2, returned = $3, fee_returned = $4, transfer = $5, stripe_payout = $6, generation = $7 WHERE id = $1
