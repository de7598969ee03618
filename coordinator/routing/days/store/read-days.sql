SELECT provider, hours FROM machine_days WHERE provider = ANY($1)
