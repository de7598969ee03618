WITH dropped AS (DELETE FROM catalog_models WHERE id = $1 RETURNING id)
UPDATE catalog_revision SET revision = revision + 1 WHERE EXISTS (SELECT FROM dropped) RETURNING revision
