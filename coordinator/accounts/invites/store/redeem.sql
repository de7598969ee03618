WITH used AS (UPDATE invites SET uses_left = uses_left - 1 WHERE code = $1)
INSERT INTO invite_redemptions (code, account) VALUES ($1, $2)
