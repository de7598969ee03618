import type { ClientBase } from 'pg';
import { DatabaseRefused } from './errors.ts';

const CHECK_MS = 3_000;
/** The role of the components in the database. */
export const SERVICE_ROLE = 'dinf_service';
const PROBE_NAME = 'dinf.pooler-probe';

interface Checked {
  readonly role: string;
  readonly isReadOnly: boolean;
  readonly pid: number;
}

/**
 * Checks a new connection before the first statement uses it. It must be writable. It must not
 * have the rights of the tables' owner: with them, a fault in one statement could change ledger
 * entries. And a pooler in between must keep prepared statements apart.
 */
export async function checkConnection(client: ClientBase): Promise<void> {
  const { rows } = await client.query<Checked>({
    text: `SELECT current_user AS role, current_setting('transaction_read_only') = 'on' AS "isReadOnly", pg_backend_pid() AS pid`,
    ...limit,
  });
  const [checked] = rows;
  if (checked === undefined || checked.isReadOnly) throw new DatabaseRefused('read_only');
  if (checked.role !== SERVICE_ROLE) throw new DatabaseRefused('wrong_role');
  if (isPooled(client, checked.pid)) await checkPreparedStatements(client);
}

/** A direct connection reports the process id of its own server process; a pooler invents one. */
export function isPooled(client: ClientBase, pid: number): boolean {
  return (client as ClientBase & { readonly processID: number | null }).processID !== pid;
}

/**
 * In transaction mode each transaction may get another server connection. A pooler that supports
 * prepared statements gives them names of its own on the server. Under their own name, a later
 * transaction would not find them, or would execute the statement of another client.
 */
async function checkPreparedStatements(client: ClientBase): Promise<void> {
  await client.query('BEGIN');
  try {
    await client.query({ name: PROBE_NAME, text: 'SELECT 1', ...limit });
    const { rowCount } = await client.query({
      text: 'SELECT 1 FROM pg_prepared_statements WHERE name = $1',
      values: [PROBE_NAME],
      ...limit,
    });
    if (rowCount !== 0) throw new DatabaseRefused('prepared_statements');
  } finally {
    await client.query('ROLLBACK');
  }
}

/** node-postgres reads this limit for a single statement; its type declarations lack it. */
const limit: object = { query_timeout: CHECK_MS };
