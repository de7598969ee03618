SELECT account FROM providers WHERE id = $1
