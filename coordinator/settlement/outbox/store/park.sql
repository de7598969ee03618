-- The row keeps the messages that the bus refused; its other messages were published.
UPDATE settlement_outbox SET message_ids = $2, payloads = $3, reason = $4, parked_at = now() WHERE id = $1
