-- An append-only tree (RFC 6962). Entries are never changed and never taken out: their hashes stand in heads that others keep.
CREATE TABLE log_entries (
  index bigint PRIMARY KEY,
  entry bytea NOT NULL,
  hash  bytea NOT NULL CHECK (length(hash) = 32),
  at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX log_entries_by_hash ON log_entries (hash, index DESC);

-- The hash of each complete subtree, of the leaves from index * 2^level on.
CREATE TABLE log_nodes (
  level int NOT NULL,
  index bigint NOT NULL,
  hash  bytea NOT NULL CHECK (length(hash) = 32),
  PRIMARY KEY (level, index)
);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log_entries EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log_nodes EXECUTE FUNCTION refuse_change();
REVOKE UPDATE, DELETE ON log_entries, log_nodes FROM dinf_service;
