-- One line of JSON for each job: its charge and its receipts.
DECLARE month_of_charges NO SCROLL CURSOR FOR
SELECT json_build_object('charge', row_to_json(c), 'receipts', coalesce(
  (SELECT json_agg(row_to_json(r) ORDER BY r.attempt, r.provider) FROM receipts r WHERE r.job = c.job), '[]'))::text AS line
FROM charges c WHERE at >= $1 AND at < $2
