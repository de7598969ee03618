SELECT id, subject, cardinality(message_ids) AS messages, parked_at AS "parkedAt", reason FROM settlement_outbox WHERE parked_at IS NOT NULL ORDER BY id LIMIT 1000
