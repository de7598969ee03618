-- expand
-- Objects that their caller can list, such as files. The tag is derived from the caller's API key, so that another key of the
-- account does not find them, and the key cannot be computed from it.
ALTER TABLE stored_objects
  ADD COLUMN list_tag   bytea,
  ADD COLUMN created_at timestamptz NOT NULL DEFAULT now();
CREATE INDEX stored_objects_by_list ON stored_objects (account, list_tag, created_at, id) WHERE list_tag IS NOT NULL;
