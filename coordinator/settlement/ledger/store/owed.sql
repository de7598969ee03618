SELECT owed FROM ledger_accounts WHERE id = 'consumer:' || $1
