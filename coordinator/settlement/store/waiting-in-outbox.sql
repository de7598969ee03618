SELECT id, subject, message_id AS "messageId", payload FROM settlement_outbox ORDER BY id LIMIT $1
