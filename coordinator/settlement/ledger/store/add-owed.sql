UPDATE ledger_accounts SET owed = owed + $2 WHERE id = 'consumer:' || $1
