SELECT code_hash AS "codeHash", version, added_at AS "addedAt", withdrawn_at AS "withdrawnAt", signature FROM releases ORDER BY added_at DESC LIMIT 1000
