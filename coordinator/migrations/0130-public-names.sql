-- expand
-- How the public name of a machine looks (coordinator/trust/core/public-name.ts): two names with one shape could be taken for each
-- other. A machine keeps its shape while its name is switched off, so that no other machine appears as its successor.
ALTER TABLE providers ADD COLUMN name_shape text CHECK (length(name_shape) BETWEEN 1 AND 40);
CREATE UNIQUE INDEX providers_by_name_shape ON providers (name_shape) WHERE name_shape IS NOT NULL;
-- An operator has withdrawn the name of the machine: the machines of its account take no other one.
ALTER TABLE providers ADD COLUMN name_withdrawn boolean NOT NULL DEFAULT false;
