DELETE FROM machine_days WHERE provider IN (
  SELECT provider FROM machine_days WHERE written_at < now() - interval '2 days' LIMIT $1 FOR UPDATE SKIP LOCKED
)
