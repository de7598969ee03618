SELECT id, subject, message_ids AS "messageIds", payloads FROM settlement_outbox WHERE parked_at IS NULL ORDER BY id LIMIT $1
