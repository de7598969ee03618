SELECT result, held FROM ledger_hold($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ORDER BY ordinal
