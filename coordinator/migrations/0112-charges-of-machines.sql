-- expand
-- The jobs for which a machine earned, for its owner (docs/decisions/0131-a-machine-reads-its-earnings-with-its-key.md). While
-- the index is built, ends of jobs wait in JetStream; requests and holds continue.
CREATE INDEX charges_of_machine ON charges (provider, at) WHERE provider_share > 0;
