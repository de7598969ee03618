SELECT stripe_account AS "stripeAccount", payouts FROM connected_accounts WHERE account = $1
