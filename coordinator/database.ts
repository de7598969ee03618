import { type EventEmitter, errorMonitor } from 'node:events';
import { type ClientBase, DatabaseError, Pool } from 'pg';
import { arrayTypes } from './database/array-types.ts';
import { checkConnection } from './database/check-connection.ts';
import { isServerGone } from './database/errors.ts';
import { Primary } from './database/primary.ts';
import { clientOf } from './database/primary-client.ts';

/**
 * Maximum time in which a request waits for a connection, in milliseconds; then it gets a 503. A
 * search for the primary that takes longer continues, and later requests use its result.
 */
const CONNECT_MS = 3_000;
const STATEMENT_MS = 10_000;
/**
 * Time after which Postgres ends a transaction that waits for its client, in milliseconds. A process
 * that is frozen or cut off in a transaction would keep its locks, and block the accounts in it, until
 * its connection breaks, which can take hours.
 */
const IDLE_TRANSACTION_MS = 5_000;
/**
 * Time after which an unused connection is closed, in milliseconds. A new one costs a process of
 * Postgres, a SCRAM exchange and the preparation of every statement.
 */
const IDLE_MS = 300_000;

export interface DatabaseOptions {
  readonly max: number;
  /** Called with every new connection; throws to refuse it. */
  readonly check?: (client: ClientBase) => Promise<void>;
}

/**
 * Returns a pool of connections to the primary. A connection that was lost, or whose server has
 * become read-only, is discarded, and the next one goes to the server that accepts writes then. No
 * statement is repeated here: only its caller can decide whether that is safe.
 */
export function connectDatabase(url: string, { max, check }: DatabaseOptions): Pool {
  const primary = new Primary(url);
  const pool = new Pool({
    // A client may connect to another host than this one, but with the same settings.
    connectionString: primary.current.url,
    max,
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: STATEMENT_MS,
    idleTimeoutMillis: IDLE_MS,
    keepAlive: true,
    application_name: 'dinf',
    // This role cannot change what may only be added, even if a statement tries to.
    options: `-c role=dinf_service -c idle_in_transaction_session_timeout=${IDLE_TRANSACTION_MS}`,
    types: arrayTypes,
    Client: clientOf(primary, CONNECT_MS),
    onConnect: async (client) => {
      await checkConnection(client).catch((error: unknown) => {
        primary.doubt();
        throw error;
      });
      await check?.(client);
    },
  });
  // Called when an idle connection was lost. `errorMonitor` does not count as a handler of the
  // error, so the owner of the pool still needs one.
  (pool as EventEmitter).on(errorMonitor, () => primary.doubt());
  pool.on('release', (error: unknown) => {
    // An error that is not an answer of the server comes from the socket, or from a timeout.
    const isLost = error instanceof Error && !(error instanceof DatabaseError);
    if (isLost || isServerGone(error)) primary.doubt();
  });
  return pool;
}
