SELECT take, passed, requests_left AS "requests", input_left AS "inputTokens", output_left AS "outputTokens", reset_ms AS "resetMs"
FROM take_limits($1::int[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
