-- Selects the deposits that were checked longest ago first, so that many unpaid ones do not hide a
-- paid one.
UPDATE deposits SET checked_at = now()
WHERE id IN (SELECT id FROM deposits WHERE status = 'pending' AND checked_at <= now() - $1 * interval '1 millisecond' ORDER BY checked_at LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING id, account, amount, status, session, url
