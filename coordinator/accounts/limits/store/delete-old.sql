DELETE FROM rate_slots WHERE slot < (extract(epoch FROM now()) * 1000)::bigint / 5000 - 12
