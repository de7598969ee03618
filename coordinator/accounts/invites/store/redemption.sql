SELECT FROM invite_redemptions WHERE code = $1 AND account = $2
