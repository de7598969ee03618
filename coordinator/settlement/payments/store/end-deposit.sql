UPDATE deposits SET status = $2, session = coalesce(session, $3) WHERE id = $1
