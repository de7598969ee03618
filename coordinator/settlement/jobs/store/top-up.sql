SELECT result, held FROM ledger_top_up($1, $2, $3, $4, $5)
