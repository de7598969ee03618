import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type ClientBase, DatabaseError, type Pool, type QueryResultRow } from 'pg';
import { isServerGone } from './database/errors.ts';

export interface Statement {
  readonly name: string;
  readonly text: string;
  /** Limit of this statement in milliseconds, in place of the limit of the pool. */
  readonly query_timeout?: number;
}

/**
 * Loads the named files of a folder, with one statement in each. Each connection prepares a
 * statement once, under the name of its file.
 */
export function loadStatements<Name extends string>(
  folder: string,
  names: readonly Name[],
): Readonly<Record<Name, Statement>> {
  const prefix = basename(join(folder, '..'));
  const files = new Set(readdirSync(folder).filter((file) => file.endsWith('.sql')));
  const entries = names.map((name) => {
    const file = `${name}.sql`;
    if (!files.delete(file)) throw new Error(`${folder} has no ${file}`);
    return [
      name,
      { name: `${prefix}.${name}`, text: readFileSync(join(folder, file), 'utf8') },
    ] as const;
  });
  if (files.size > 0) throw new Error(`${folder}: no code uses ${[...files].join(', ')}`);
  return Object.fromEntries(entries) as Record<Name, Statement>;
}

export async function query<Row extends QueryResultRow>(
  database: Pool | ClientBase,
  statement: Statement,
  values: readonly unknown[] = [],
): Promise<Row[]> {
  const { rows } = await database.query<Row>({ ...statement, values: [...values] });
  return rows;
}

/** Runs the work in one transaction. */
export async function transaction<T>(
  database: Pool,
  work: (client: ClientBase) => Promise<T>,
): Promise<T> {
  const client = await database.connect();
  let broken: Error | undefined;
  // A connection that dies also emits an error outside of any query. Without a handler, this would
  // end the process.
  const onError = (error: Error): void => {
    broken = error;
  };
  client.on('error', onError);
  try {
    await client.query('BEGIN');
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    if (isServerGone(error)) broken = error as Error;
    await client.query('ROLLBACK').catch((failure: unknown) => {
      broken = failure instanceof Error ? failure : new Error(String(failure));
    });
    throw error;
  } finally {
    client.off('error', onError);
    client.release(broken);
  }
}

/** Returns true if a statement failed because the row already exists. */
export function isDuplicate(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === '23505';
}
