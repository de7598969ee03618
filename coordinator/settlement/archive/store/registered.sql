SELECT charges, receipts, charged, sha256, deleted_at IS NOT NULL AS "isDeleted" FROM ledger_archives WHERE month = $1
