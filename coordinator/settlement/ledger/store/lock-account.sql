SELECT 1 FROM ledger_accounts WHERE id = 'consumer:' || $1 FOR UPDATE
