SELECT account FROM referral_codes WHERE code = $1
