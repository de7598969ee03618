-- A provider's price is announced before it rises: each row holds from its time on, until the next one. A request that was planned at the old
-- price is never charged the new one.
ALTER TABLE provider_prices ADD COLUMN effective_from timestamptz NOT NULL DEFAULT '-infinity';
ALTER TABLE provider_prices DROP CONSTRAINT provider_prices_pkey;
ALTER TABLE provider_prices ADD PRIMARY KEY (provider, model, effective_from);
