SELECT id, account, amount, fee, instant, state, returned, fee_returned AS "feeReturned", stripe_account AS "stripeAccount", transfer,
  stripe_payout AS "stripePayout", generation, created_at AS "createdAt"
FROM payouts WHERE account = $1 ORDER BY created_at DESC LIMIT 1000
