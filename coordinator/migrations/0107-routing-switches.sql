-- expand
-- Parts of routing that operators have switched off. A part without a row is on.
CREATE TABLE routing_switches (
  name       text PRIMARY KEY,
  is_on      boolean NOT NULL,
  changed_at timestamptz NOT NULL DEFAULT now()
);
