-- The first report of an end counts; a repeated report changes nothing.
UPDATE holds h SET ended = u.ended, ended_by = u.provider, expires_at = now() + $4 * interval '1 millisecond'
FROM unnest($1::text[], $2::text[], $3::bytea[]) AS u(job, provider, ended)
WHERE h.job = u.job AND h.ended IS NULL
