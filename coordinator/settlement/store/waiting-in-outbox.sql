SELECT id, subject, message_id AS "messageId", payload FROM outbox ORDER BY id LIMIT $1
