import { type ClientBase, DatabaseError } from 'pg';
import { DatabaseRefused } from './errors.ts';
import { readMigrations } from './migration-files.ts';

interface AppliedMigration {
  readonly name: string;
  readonly contract: boolean;
}

/** insufficient_privilege, undefined_column, undefined_table: an old schema, or none. */
const WITHOUT_SCHEMA = new Set(['42501', '42703', '42P01']);

/**
 * Returns a check for new connections of a coordinator: the database must have every expand
 * migration of this version, and no contract migration that this version does not contain. A
 * version that is too old would otherwise fail with the first statement that uses a removed column.
 */
export function schemaCheck(folder?: string): (client: ClientBase) => Promise<void> {
  const contained = readMigrations(folder);
  // The error is thrown by the first check.
  contained.catch(() => undefined);
  return async (client) => {
    const applied = await appliedMigrations(client);
    const migrations = await contained;
    const names = new Set(migrations.map(({ name }) => name));
    const unknown = applied.filter(({ name, contract }) => contract && !names.has(name));
    if (unknown.length > 0)
      throw new DatabaseRefused('version_too_old', { details: unknown.map(({ name }) => name) });
    const done = new Set(applied.map(({ name }) => name));
    const lacking = migrations.filter(({ name, kind }) => kind === 'expand' && !done.has(name));
    if (lacking.length > 0)
      throw new DatabaseRefused('migrations_pending', { details: lacking.map(({ name }) => name) });
  };
}

async function appliedMigrations(client: ClientBase): Promise<readonly AppliedMigration[]> {
  try {
    const { rows } = await client.query<AppliedMigration>('SELECT name, contract FROM migrations');
    return rows;
  } catch (cause) {
    if (cause instanceof DatabaseError && WITHOUT_SCHEMA.has(cause.code ?? ''))
      throw new DatabaseRefused('migrations_pending', { cause });
    throw cause;
  }
}
