WITH dropped AS (DELETE FROM catalog_aliases WHERE alias = $1 RETURNING alias)
UPDATE catalog_revision SET revision = revision + 1 WHERE EXISTS (SELECT FROM dropped) RETURNING revision
