SELECT last_id AS "lastId", cents FROM stripe_report FOR UPDATE
