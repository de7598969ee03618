-- Selects the lines of one account after ($4, $5), oldest first. Earnings appear only for hours
-- that are over, so that a line never changes.
SELECT lines.*, (extract(epoch FROM at) * 1000000)::bigint AS "microseconds" FROM (
  (SELECT at, 'charge' AS kind, job AS reference, -charged AS amount, model, key, prompt_tokens AS "promptTokens", completion_tokens AS "completionTokens",
      -from_promotional AS promotional, NULL AS note
    FROM charges WHERE account = $1 AND at >= $2 AND at < $3 AND (at, job) > ($4, $5) AND charged > 0 ORDER BY at, job LIMIT $6)
  UNION ALL
  (SELECT e.at, t.kind, e.operation, e.amount, NULL, NULL, NULL, NULL, e.promotional, n.note
    FROM ledger_entries e JOIN ledger_transactions t USING (operation) LEFT JOIN posting_notes n USING (operation)
    WHERE e.account = 'consumer:' || $1 AND e.at >= $2 AND e.at < $3 AND (e.at, e.operation) > ($4, $5) ORDER BY e.at, e.operation LIMIT $6)
  UNION ALL
  -- Rewards are earnings that have an entry of their own.
  (SELECT hour + interval '1 hour', 'earning', source, amount, NULL, NULL, prompt_tokens, completion_tokens, promotional, NULL
    FROM earnings WHERE account = 'consumer:' || $1 AND hour + interval '1 hour' >= $2 AND hour + interval '1 hour' < least($3, now())
      AND source <> 'rewards' AND (hour + interval '1 hour', source) > ($4, $5) ORDER BY hour, source LIMIT $6)
) lines
ORDER BY at, reference
LIMIT $6
