-- expand
-- The jobs of one key, which its holder may list: without this index, the list of a key with few jobs reads all jobs of its account. While
-- the index is built, ends of jobs wait in JetStream; requests and holds continue.
CREATE INDEX charges_of_key ON charges (key, at);
