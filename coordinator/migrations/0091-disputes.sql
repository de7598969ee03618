-- Disputes of deposits, as Stripe reports them. `amount` is in micro-dollars. A dispute that has ended
-- never changes again, so that its events can arrive in any order.
CREATE TABLE disputes (
  id         text PRIMARY KEY,
  deposit    text NOT NULL REFERENCES deposits (id),
  account    text NOT NULL,
  amount     bigint NOT NULL CHECK (amount > 0),
  status     text NOT NULL CHECK (status IN ('open', 'won', 'lost')),
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX disputes_not_won ON disputes (account) WHERE status <> 'won';
