SELECT id FROM deposits WHERE account = $1 AND owed > 0 ORDER BY id
