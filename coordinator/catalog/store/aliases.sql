SELECT alias, model FROM catalog_aliases ORDER BY alias
