SELECT (SELECT code FROM referral_codes WHERE account = $1) AS code, (SELECT count(*) FROM referrals WHERE referrer = $1) AS referred,
  (SELECT referrer FROM referrals WHERE account = $1) AS referrer
