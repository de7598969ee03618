-- Selects what Stripe has taken back of a deposit by now, and what the ledger has taken back of it.
SELECT d.account, d.reversed, d.reversed_earned AS "reversedEarned", d.owed, d.reversals,
  least(d.amount, d.refunded + (SELECT coalesce(sum(amount), 0) FROM disputes
    WHERE deposit = d.id AND (status = 'lost' OR (status = 'open' AND NOT is_inquiry)))) AS "takenBack"
FROM deposits d WHERE d.id = $1 FOR UPDATE OF d
