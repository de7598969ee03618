import type { Pool } from 'pg';
import { connectDatabase } from '#coordinator/database.ts';
import { startTestDatabase } from '#testcontainers';

/** Starts Postgres with the tables of accounts, as the component uses them. */
export async function startAccountsDatabase(): Promise<{ database: Pool } & AsyncDisposable> {
  const postgres = await startTestDatabase();
  const database = connectDatabase(postgres.databaseUrl, { max: 8 });
  // The server may stop before the pool has closed its connections; that error is expected.
  database.on('error', () => undefined);
  return {
    database,
    [Symbol.asyncDispose]: async () => {
      await database.end();
      await postgres[Symbol.asyncDispose]();
    },
  };
}
