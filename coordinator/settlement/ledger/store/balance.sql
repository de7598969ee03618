SELECT balance - held AS available, held, least(earned, balance - held) AS withdrawable FROM ledger_accounts WHERE id = 'consumer:' || $1
