import type { Pool } from 'pg';

/** Number of locks for which transactions of the server wait. */
export async function lockWaits(database: Pool): Promise<number> {
  const { rowCount } = await database.query('SELECT 1 FROM pg_locks WHERE NOT granted');
  return rowCount ?? 0;
}
