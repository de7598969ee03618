-- Selects withdrawals whose last request has no answer, or whose instant payout is not reported as
-- paid.
UPDATE payouts SET asked_at = now()
WHERE id IN (SELECT id FROM payouts WHERE (state = 'pending' OR (state = 'transferred' AND instant AND NOT fee_returned))
  AND asked_at <= now() - $1 * interval '1 millisecond' ORDER BY asked_at LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING id, account, amount, fee, instant, state, returned, fee_returned AS "feeReturned", stripe_account AS "stripeAccount", transfer,
  stripe_payout AS "stripePayout", generation, created_at AS "createdAt"
