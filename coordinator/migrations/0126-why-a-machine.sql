-- expand
-- When routing had answered, when the money was set aside, and why this machine was chosen: numbers by gate and by term. Null for requests before this.
ALTER TABLE generations
  ADD COLUMN route_us bigint,
  ADD COLUMN hold_us bigint,
  ADD COLUMN routed json;
