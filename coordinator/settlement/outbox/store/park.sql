-- What the bus refused of a row is kept as that row; the rest of it was told.
UPDATE settlement_outbox SET message_ids = $2, payloads = $3, reason = $4, parked_at = now() WHERE id = $1
