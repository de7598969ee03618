-- expand
-- How far the facts of each durable consumer are stored in this database. JetStream remembers only what was acknowledged, and a
-- database that was restored from a backup, or a standby that was behind, lacks facts that were acknowledged before. Every fact up
-- to `sequence` is stored here; later ones are read again from the stream (docs/decisions/0108-facts-are-read-again-after-a-restore.md).
CREATE TABLE fact_markers (
  stream         text NOT NULL,
  consumer       text NOT NULL,
  -- When JetStream created the stream. In another stream of this name the numbers mean other facts.
  stream_created text NOT NULL,
  sequence       bigint NOT NULL CHECK (sequence >= 0),
  PRIMARY KEY (stream, consumer)
);
