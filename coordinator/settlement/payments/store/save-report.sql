UPDATE stripe_report SET last_id = $1, cents = $2
