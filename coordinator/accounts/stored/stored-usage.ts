import type { ClientBase, Pool } from 'pg';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';

/** Most sealed bytes that one account may store in all its objects and results. */
export const MAX_BYTES = 128 * 1_024 * 1_024;

interface StoredUsage {
  readonly objects: number;
  readonly bytes: number;
}

const USAGE = namedStatement<StoredUsage & Record<string, unknown>>('stored.usage')`
  SELECT count(*)::int AS objects,
    coalesce(sum(octet_length(sealed)), 0)::float8 + (
      SELECT coalesce(sum(result_bytes), 0) FROM batches WHERE account = ${'account'}
    )::float8 AS bytes
  FROM stored_objects
  WHERE account = ${'account'} AND id <> ${'except'} AND expires_at > ${'now'}`;

/**
 * The stored objects of an account, and the results of its unfinished batches. An object that will
 * be replaced does not count.
 */
export async function storedUsage(
  database: Pool | ClientBase,
  { account, except = '', now }: { account: string; except?: string; now: Date },
): Promise<StoredUsage> {
  const [row] = await queryNamed(database, USAGE, { account, except, now });
  return row ?? { objects: 0, bytes: 0 };
}
