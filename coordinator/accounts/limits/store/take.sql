SELECT take, passed, requests_left AS "requests", input_left AS "inputTokens", output_left AS "outputTokens", reset_ms AS "resetMs"
FROM take_limits($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::int[], $6::int[], $7::bigint[], $8::bigint[])
