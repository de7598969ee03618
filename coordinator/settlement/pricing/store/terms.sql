SELECT fee_bps AS "feeBps", service, referrer FROM account_terms WHERE account = $1
