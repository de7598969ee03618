SELECT id, account, amount, fee, instant, state, returned, fee_returned AS "feeReturned", stripe_account AS "stripeAccount", transfer,
  stripe_payout AS "stripePayout", generation, created_at AS "createdAt"
FROM payouts WHERE id = $1 FOR UPDATE
