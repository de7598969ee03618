SELECT job, at, key, model, build, provider, result, finish, streamed, attempts, delivered_tokens AS "deliveredTokens", first_content_us AS "firstContentUs", total_us AS "totalUs", trust_level AS "trustLevel"
FROM generations WHERE job = $1 AND account = $2
