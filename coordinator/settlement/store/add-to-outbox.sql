INSERT INTO settlement_outbox (subject, message_id, payload)
SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[])
