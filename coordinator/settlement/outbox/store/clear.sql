DELETE FROM settlement_outbox WHERE id = ANY($1)
