import { Pool } from 'pg';
import { connectDatabase } from '#coordinator/database.ts';
import { startTestDatabase } from '#testcontainers';

export interface DatabaseUnderTest extends AsyncDisposable {
  readonly owner: Pool;
  /** As the router connects: with the role `dinf_service`. */
  readonly database: Pool;
}

/** A database of its own with all tables. */
export async function startDatabase(): Promise<DatabaseUnderTest> {
  await using stack = new AsyncDisposableStack();
  const { databaseUrl } = stack.use(await startTestDatabase());
  const owner = new Pool({ connectionString: databaseUrl, max: 1 });
  const database = connectDatabase(databaseUrl, { max: 2 });
  for (const pool of [owner, database]) {
    pool.on('error', () => undefined);
    stack.defer(() => pool.end());
  }
  const owned = stack.move();
  return { owner, database, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
