SELECT coalesce(sum(amount), 0) AS amount FROM earnings WHERE account = $1
