DELETE FROM machine_records WHERE provider IN (
  SELECT provider FROM machine_records WHERE seen_at < now() - $1 * interval '1 day' LIMIT $2 FOR UPDATE SKIP LOCKED
)
