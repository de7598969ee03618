-- expand
-- A sentence that an account sees beside a credit or a reward on its statement.
CREATE TABLE posting_notes (
  operation text PRIMARY KEY REFERENCES ledger_transactions (operation) ON DELETE CASCADE,
  note      text NOT NULL CHECK (length(note) BETWEEN 1 AND 200)
);
-- Accounts at Stripe that their owners have disconnected. Their number names the next registration, so that Stripe does not repeat the answer of an earlier one.
CREATE TABLE disconnected_accounts (
  stripe_account text PRIMARY KEY,
  account        text NOT NULL,
  at             timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX disconnected_accounts_account ON disconnected_accounts (account);
-- The name under which the owner of a machine shows it on the public leaderboard; null: not shown.
ALTER TABLE providers ADD COLUMN public_name text CHECK (length(public_name) BETWEEN 2 AND 40);
