UPDATE providers SET pardoned_at = now()
WHERE id = $1 AND revoked_at IS NOT NULL AND EXISTS (SELECT FROM verdicts WHERE provider = $1 AND standing = 'untrusted')
RETURNING id
