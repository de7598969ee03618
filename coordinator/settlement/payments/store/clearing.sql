SELECT -balance AS ledger, (SELECT coalesce(sum(amount - fee), 0) FROM payouts WHERE state = 'pending') AS "onTheWay"
FROM ledger_accounts WHERE id = 'external:stripe'
