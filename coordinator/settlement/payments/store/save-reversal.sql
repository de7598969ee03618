UPDATE deposits SET reversed = $2, reversed_earned = $3, owed = $4, reversals = $5 WHERE id = $1
