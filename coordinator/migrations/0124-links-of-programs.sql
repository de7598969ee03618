-- expand
-- A code that a device shows can also sign a program in. The person who approves it sees what asks, from which address and since when.
ALTER TABLE device_links
  ADD COLUMN purpose text NOT NULL DEFAULT 'machine' CHECK (purpose IN ('machine', 'sign_in')),
  ADD COLUMN client text NOT NULL DEFAULT '',
  ADD COLUMN address text NOT NULL DEFAULT '',
  ADD COLUMN asked_at timestamptz NOT NULL DEFAULT now();
