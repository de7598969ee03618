-- When a key was last authenticated. Accounts write it for all keys together, at most once a minute.
ALTER TABLE api_keys ADD COLUMN last_used_at timestamptz;
