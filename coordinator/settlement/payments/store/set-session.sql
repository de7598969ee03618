UPDATE deposits SET session = $2, url = $3 WHERE id = $1 AND session IS NULL
