INSERT INTO ledger_archives (month, charges, receipts, charged, sha256) VALUES ($1, $2, $3, $4, $5)
