import { type EventEmitter, errorMonitor } from 'node:events';
import { DatabaseError, Pool } from 'pg';
import { checkConnection } from './database/check-connection.ts';
import { isServerGone } from './database/errors.ts';
import { Primary } from './database/primary.ts';
import { clientOf } from './database/primary-client.ts';

/**
 * A request gets 503 after this time without a connection, in milliseconds. A search for the
 * primary that takes longer goes on, and later requests use its result.
 */
const CONNECT_MS = 3_000;
const STATEMENT_MS = 10_000;

/**
 * Returns a pool of connections to the primary. A connection that was lost, or whose server has
 * become read-only, is discarded, and the next one goes to the server that accepts writes then. No
 * statement is repeated here: only its caller can decide whether that is safe.
 */
export function connectDatabase(url: string, options: { max: number }): Pool {
  const primary = new Primary(url);
  const pool = new Pool({
    // A client may connect to another host than this one, but with the same settings.
    connectionString: primary.current.url,
    max: options.max,
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: STATEMENT_MS,
    keepAlive: true,
    application_name: 'dinf',
    // This role cannot change what may only be added, even if a statement tries to.
    options: '-c role=dinf_service',
    Client: clientOf(primary, CONNECT_MS),
    onConnect: (client) =>
      checkConnection(client).catch((error: unknown) => {
        primary.doubt();
        throw error;
      }),
  });
  // An idle connection was lost. A monitor is no handler: the owner of the pool still needs one.
  (pool as EventEmitter).on(errorMonitor, () => primary.doubt());
  pool.on('release', (error: unknown) => {
    // An error that is no answer of a server comes from the socket, or from waiting in vain.
    const isLost = error instanceof Error && !(error instanceof DatabaseError);
    if (isLost || isServerGone(error)) primary.doubt();
  });
  return pool;
}
