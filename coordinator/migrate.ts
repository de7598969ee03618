import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import { messageOf } from '#bus-schemas/message-of.ts';
import { isPooled } from './database/check-connection.ts';
import { DatabaseRefused, DatabaseUnreachable } from './database/errors.ts';
import { Primary } from './database/primary.ts';

const FOLDER = join(import.meta.dirname, 'migrations');
/**
 * Key of the advisory lock with which two migrations at the same time wait for each other. The
 * number is arbitrary.
 */
const LOCK = 4_711_001;

const CREATE_TABLE = `
  CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`;

/**
 * Applies all migrations that this database lacks, and returns their names. Throws if a migration
 * was changed after it had been applied.
 */
export async function migrate(databaseUrl: string): Promise<readonly string[]> {
  const client = await connectOwner(databaseUrl).catch((cause: Error) => {
    throw new DatabaseUnreachable(databaseUrl, cause);
  });
  try {
    await refusePooler(client);
    await client.query('SELECT pg_advisory_lock($1)', [LOCK]);
    await client.query(CREATE_TABLE);
    const { rows } = await client.query<{ name: string; sha256: string }>(
      'SELECT name, sha256 FROM migrations',
    );
    const done = new Map(rows.map(({ name, sha256 }) => [name, sha256]));
    const applied: string[] = [];
    for (const name of await migrationFiles()) {
      if (await apply(client, name, done.get(name))) applied.push(name);
    }
    return applied;
  } finally {
    await client.end();
  }
}

/** Names of the migrations of this version that the database lacks. */
export async function pendingMigrations(databaseUrl: string): Promise<readonly string[]> {
  const client = await connectOwner(databaseUrl);
  try {
    const { rows: tables } = await client.query<{ known: boolean }>(
      "SELECT to_regclass('migrations') IS NOT NULL AS known",
    );
    const { rows } = tables[0]?.known
      ? await client.query<{ name: string }>('SELECT name FROM migrations')
      : { rows: [] };
    const done = new Set(rows.map(({ name }) => name));
    return (await migrationFiles()).filter((name) => !done.has(name));
  } finally {
    await client.end();
  }
}

const migrationFiles = async (): Promise<string[]> =>
  (await readdir(FOLDER)).filter((file) => file.endsWith('.sql')).toSorted();

async function connectOwner(databaseUrl: string): Promise<Client> {
  const { url } = await new Primary(databaseUrl).find();
  const client = new Client({ connectionString: url, application_name: 'dinf migrate' });
  await client.connect();
  return client;
}

/**
 * The advisory lock belongs to one connection of the server. In transaction mode a pooler would
 * take the lock on one connection and run migrations on others, and two migrations at once would
 * not wait.
 */
async function refusePooler(client: Client): Promise<void> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  if (rows[0] === undefined || isPooled(client, rows[0].pid))
    throw new DatabaseRefused('pooler_in_between');
}

async function apply(
  client: Client,
  name: string,
  appliedDigest: string | undefined,
): Promise<boolean> {
  const text = await readFile(join(FOLDER, name), 'utf8');
  const digest = createHash('sha256').update(text).digest('hex');
  if (appliedDigest === digest) return false;
  if (appliedDigest !== undefined)
    throw new Error(`${name} was changed after it had been applied; write a new migration instead`);
  await client.query('BEGIN');
  try {
    await client.query(text);
    await client.query('INSERT INTO migrations (name, sha256) VALUES ($1, $2)', [name, digest]);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw new Error(`migration ${name}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  return true;
}
