INSERT INTO ledger_accounts (id, kind) VALUES ($1, $2) ON CONFLICT DO NOTHING
