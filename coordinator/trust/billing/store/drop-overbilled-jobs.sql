DELETE FROM overbilled_jobs WHERE provider = $1 AND at <= $2
