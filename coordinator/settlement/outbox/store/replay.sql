UPDATE settlement_outbox SET parked_at = NULL, reason = NULL WHERE parked_at IS NOT NULL AND ($1::bigint[] IS NULL OR id = ANY($1)) RETURNING id
