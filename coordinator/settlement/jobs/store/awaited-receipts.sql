-- Jobs that ended without a receipt and can be decided now: the provider has sent one, or the time for it is over.
SELECT h.job, h.ended, h.expires_at < now() AS "isExpired"
FROM holds h
WHERE h.ended IS NOT NULL AND (h.expires_at < now() OR EXISTS (SELECT FROM receipts r WHERE r.job = h.job AND r.provider = h.ended_by))
ORDER BY h.expires_at
LIMIT $1
