import { createHash } from 'node:crypto';
import type { Client } from 'pg';
import { messageOf } from '#bus-schemas/message-of.ts';
import { DatabaseUnreachable } from './database/errors.ts';
import { type Migration, readMigrations } from './database/migration-files.ts';
import { connectOwner, refusePooler } from './database/owner.ts';

/**
 * Key of the advisory lock with which two migrations at the same time wait for each other. The
 * number is arbitrary.
 */
const LOCK = 4_711_001;

const CREATE_TABLE = `
  CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`;

export interface MigrateOptions {
  /** Folder of the migrations; by default that of this version. */
  readonly folder?: string;
  /**
   * Called before each contract migration with its name, and throws to prevent it. New connections
   * of coordinators wait meanwhile, so that none can start unseen. Without this function contract
   * migrations stay pending, except in a database that is empty.
   */
  readonly beforeContract?: (name: string) => Promise<void>;
}

/**
 * Applies the migrations that this database lacks, in order, and returns their names. Throws if a
 * migration was changed after it had been applied.
 */
export async function migrate(
  databaseUrl: string,
  { folder, beforeContract }: MigrateOptions = {},
): Promise<readonly string[]> {
  const client = await connectOwner(databaseUrl, 'dinf migrate').catch((cause: Error) => {
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
    const allow = done.size === 0 ? async () => undefined : beforeContract;
    const applied: string[] = [];
    for (const migration of await readMigrations(folder)) {
      const digest = createHash('sha256').update(migration.text).digest('hex');
      if (isApplied(migration, digest, done)) continue;
      if (migration.kind === 'contract' && allow === undefined) continue;
      await apply(client, migration, { digest, ...(allow && { beforeContract: allow }) });
      applied.push(migration.name);
    }
    return applied;
  } finally {
    await client.end();
  }
}

/** The migrations of this version that the database lacks. */
export async function pendingMigrations(
  databaseUrl: string,
  folder?: string,
): Promise<readonly Migration[]> {
  const client = await connectOwner(databaseUrl, 'dinf migrate');
  try {
    const { rows: tables } = await client.query<{ known: boolean }>(
      "SELECT to_regclass('migrations') IS NOT NULL AS known",
    );
    const { rows } = tables[0]?.known
      ? await client.query<{ name: string }>('SELECT name FROM migrations')
      : { rows: [] };
    const done = new Set(rows.map(({ name }) => name));
    return (await readMigrations(folder)).filter(({ name }) => !done.has(name));
  } finally {
    await client.end();
  }
}

function isApplied(
  { name }: Migration,
  digest: string,
  done: ReadonlyMap<string, string>,
): boolean {
  const applied = done.get(name);
  if (applied !== undefined && applied !== digest)
    throw new Error(`${name} was changed after it had been applied; write a new migration instead`);
  return applied !== undefined;
}

async function apply(
  client: Client,
  { name, kind, text }: Migration,
  { digest, beforeContract }: { digest: string } & Pick<MigrateOptions, 'beforeContract'>,
): Promise<void> {
  await client.query('BEGIN');
  try {
    if (kind === 'contract') {
      // `schemaCheck` reads this table with every new connection of a coordinator.
      await client.query('LOCK TABLE migrations IN ACCESS EXCLUSIVE MODE');
      await beforeContract?.(name);
    }
    await execute(client, name, text);
    await client.query('INSERT INTO migrations (name, sha256) VALUES ($1, $2)', [name, digest]);
    if (kind === 'contract')
      await client.query('UPDATE migrations SET contract = true WHERE name = $1', [name]);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
}

const execute = (client: Client, name: string, text: string): Promise<unknown> =>
  client.query(text).catch((cause: unknown) => {
    throw new Error(`migration ${name}: ${messageOf(cause)}`, { cause });
  });
