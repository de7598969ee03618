import { Client, Pool } from 'pg';
import { isPooled } from './check-connection.ts';
import { DatabaseRefused, DatabaseUnreachable } from './errors.ts';
import { Primary } from './primary.ts';

/** Connects to the primary as the user of the URL, who owns the tables. */
export async function connectOwner(databaseUrl: string, applicationName: string): Promise<Client> {
  const { url } = await new Primary(databaseUrl).find();
  const client = new Client({ connectionString: url, application_name: applicationName });
  await client.connect();
  return client;
}

/**
 * A few connections to the primary as the owner of the tables, without a limit of time for a
 * statement. Refuses a connection pooler.
 */
export async function ownerPool(databaseUrl: string, applicationName: string): Promise<Pool> {
  const client = await connectOwner(databaseUrl, applicationName).catch((cause: Error) => {
    throw new DatabaseUnreachable(databaseUrl, cause);
  });
  try {
    await refusePooler(client);
  } finally {
    await client.end();
  }
  const { url } = await new Primary(databaseUrl).find();
  const pool = new Pool({ connectionString: url, application_name: applicationName, max: 3 });
  // The statement that uses a lost connection fails by itself.
  pool.on('error', () => undefined);
  return pool;
}

/**
 * An advisory lock belongs to one connection of the server. In transaction mode a pooler would take
 * the lock on one connection and run statements on others, and two processes at once would not
 * wait for each other.
 */
export async function refusePooler(client: Client): Promise<void> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  if (rows[0] === undefined || isPooled(client, rows[0].pid))
    throw new DatabaseRefused('pooler_in_between');
}
