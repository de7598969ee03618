import { Pool } from 'pg';

/** A pool that gives up on a dead database soon enough for a request to be answered with 503 instead of hanging. */
export function connectDatabase(url: string, options: { max: number }): Pool {
  return new Pool({
    connectionString: url,
    max: options.max,
    connectionTimeoutMillis: 3_000,
    query_timeout: 10_000,
    keepAlive: true,
    application_name: 'dinf',
  });
}
