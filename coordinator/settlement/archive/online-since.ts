import type { Pool } from 'pg';
import { query } from '#coordinator/sql.ts';

const statement = {
  name: 'archive.online-since',
  text: `SELECT (max(month) + interval '1 month') AT TIME ZONE 'UTC' AS at FROM ledger_archives`,
};

/**
 * Returns the time before which charges and receipts are in archives, in milliseconds since 1970;
 * undefined if all are in the database.
 */
export async function onlineSince(database: Pool): Promise<number | undefined> {
  const [row] = await query<{ at: Date | null }>(database, statement);
  return row?.at?.getTime();
}
