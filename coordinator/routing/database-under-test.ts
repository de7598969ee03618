import { Pool } from 'pg';
import { connectDatabase } from '#coordinator/database.ts';
import { migrate } from '#coordinator/migrate.ts';
import { startPostgres } from '#testcontainers';

export interface DatabaseUnderTest extends AsyncDisposable {
  readonly owner: Pool;
  /** As the router connects: with the role `dinf_service`. */
  readonly database: Pool;
}

/** A database of its own with all tables. */
export async function startDatabase(name: string): Promise<DatabaseUnderTest> {
  await using stack = new AsyncDisposableStack();
  const postgres = stack.use(await startPostgres());
  const url = await postgres.createDatabase(name);
  await migrate(url);
  const owner = new Pool({ connectionString: url, max: 1 });
  const database = connectDatabase(url, { max: 2 });
  for (const pool of [owner, database]) {
    pool.on('error', () => undefined);
    stack.defer(() => pool.end());
  }
  const owned = stack.move();
  return { owner, database, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
