-- expand
-- Months whose charges and receipts were exported to a file and are deleted here. The sums of the deleted rows stay, so that the
-- books can still be proven from the first entry (docs/decisions/0107-old-months-of-the-ledger-are-exported-and-deleted.md).

CREATE TABLE ledger_archives (
  -- First day of the month, in UTC.
  month         date PRIMARY KEY CHECK (month = date_trunc('month', month)),
  charges       bigint NOT NULL,
  receipts      bigint NOT NULL,
  -- Sum of all charges of the month, in micro-dollars.
  charged       numeric NOT NULL,
  -- SHA-256 of the compressed file.
  sha256        bytea NOT NULL CHECK (length(sha256) = 32),
  registered_at timestamptz NOT NULL DEFAULT now(),
  -- Null until all rows of the month are deleted.
  deleted_at    timestamptz
);

-- Sums of the deleted movements, by ledger account.
CREATE TABLE ledger_archived (
  account     text PRIMARY KEY,
  balance     numeric NOT NULL,
  earned      numeric NOT NULL,
  promotional numeric NOT NULL
);

-- Sums of the deleted charges, by API key.
CREATE TABLE ledger_archived_keys (
  key   text PRIMARY KEY,
  spent numeric NOT NULL
);
REVOKE INSERT, UPDATE, DELETE ON ledger_archives, ledger_archived, ledger_archived_keys FROM dinf_service;

-- Finds the charges of a month without reading the others. It is tiny, because rows are stored in the order of their time.
CREATE INDEX charges_by_time ON charges USING brin (at);

-- A charge can be deleted only when its month is registered. Components have no permission to delete any.
CREATE FUNCTION refuse_unarchived() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM ledger_archives WHERE month = utc_month(OLD.at)) THEN
    RAISE EXCEPTION '% is append-only, and the month of % is not archived', TG_TABLE_NAME, OLD.job;
  END IF;
  RETURN OLD;
END $$;
DROP TRIGGER append_only ON charges;
CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON charges EXECUTE FUNCTION refuse_change();
CREATE TRIGGER archived_only BEFORE DELETE ON charges FOR EACH ROW EXECUTE FUNCTION refuse_unarchived();

-- As in 0090. New is the job, by which the movements of archived charges are selected.
CREATE OR REPLACE VIEW ledger_movements AS
  SELECT operation, account, amount, earned, at, tx, promotional, NULL::text AS job FROM ledger_entries
  UNION ALL
  SELECT 'end:' || c.job, m.account, m.amount, m.earned, c.at, c.tx, m.promotional, c.job
  FROM charges c CROSS JOIN LATERAL promotional_parts(c.from_promotional, c.fee, c.referral) p CROSS JOIN LATERAL (VALUES
    ('consumer:' || c.account, -c.charged, -c.from_earned, -c.from_promotional),
    (c.payee, c.provider_share, c.provider_share - p.of_share, p.of_share),
    (c.referrer, c.referral, c.referral - p.of_referral, p.of_referral), ('platform:fees', c.fee, 0, p.of_fee)
  ) AS m(account, amount, earned, promotional)
  WHERE m.amount <> 0;
