UPDATE deposits SET refunded = $2 WHERE id = $1 AND refunded < $2 RETURNING id
