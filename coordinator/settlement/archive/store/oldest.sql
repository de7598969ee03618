-- Selects the month of the oldest charge, as YYYY-MM; null without charges.
SELECT to_char(min(at) AT TIME ZONE 'UTC', 'YYYY-MM') AS month FROM charges
