import { Pool } from 'pg';

/**
 * A pool that gives up on a dead database soon enough for a request to be answered with 503 instead
 * of hanging.
 */
export function connectDatabase(url: string, options: { max: number }): Pool {
  return new Pool({
    connectionString: url,
    max: options.max,
    connectionTimeoutMillis: 3_000,
    query_timeout: 10_000,
    keepAlive: true,
    application_name: 'dinf',
    // Not the owner of the tables: what may only be added cannot be changed, whatever a statement
    // says.
    options: '-c role=dinf_service',
  });
}

/** Nobody answers where the database should be, or not to us. */
export class DatabaseUnreachable extends Error {
  readonly code = 'database_unreachable';

  constructor(url: string, cause: Error) {
    const { host, pathname } = new URL(url);
    super(`The database ${pathname.slice(1)} at ${host} cannot be used: ${cause.message}`, {
      cause,
    });
    this.name = 'DatabaseUnreachable';
  }
}
