-- How much of an account's earnings is too young to be withdrawn is read by hour, over all sources.
CREATE INDEX earnings_by_hour ON earnings (account, hour);
