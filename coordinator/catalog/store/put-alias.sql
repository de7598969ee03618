WITH put AS (
  INSERT INTO catalog_aliases (alias, model)
  SELECT $1, m.id FROM catalog_models m WHERE m.id = $2 AND NOT EXISTS (SELECT FROM catalog_models WHERE id = $1)
  ON CONFLICT (alias) DO UPDATE SET model = excluded.model
  RETURNING alias
)
UPDATE catalog_revision SET revision = revision + 1 WHERE EXISTS (SELECT FROM put) RETURNING revision
