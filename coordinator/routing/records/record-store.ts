import { join } from 'node:path';
import type { Pool } from 'pg';
import { loadStatements, query } from '#coordinator/sql.ts';
import type { MachineMemory } from '../core/machine-memory.ts';
import type { MachineCounts, RecordBatch } from '../core/unwritten-records.ts';

const sql = loadStatements(join(import.meta.dirname, '..', 'store'), [
  'put-records',
  'read-records',
  'read-lifetimes',
  'delete-unseen',
]);

/** A machine that was not connected for this long is forgotten. */
const KEPT_DAYS = 90;

export interface StoredRecord {
  readonly provider: string;
  /** The router that wrote it last. */
  readonly writer: string;
  /** As in the database: `readMemory` checks it. */
  readonly state: unknown;
  readonly stateAgeMs: number;
  readonly seenAgeMs: number;
}

export const readRecords = (
  database: Pool,
  providers: readonly string[],
): Promise<StoredRecord[]> => query<StoredRecord>(database, sql['read-records'], [providers]);

export interface Lifetime extends MachineCounts {
  readonly provider: string;
  /** In milliseconds since 1970, as all times of messages. */
  readonly firstSeenAt: number;
  readonly seenAt: number;
  readonly chip?: string;
}

export async function readLifetimes(
  database: Pool,
  providers: readonly string[],
): Promise<Lifetime[]> {
  const rows = await query<Omit<Lifetime, 'chip'> & { chip: string | null }>(
    database,
    sql['read-lifetimes'],
    [providers],
  );
  return rows.map(({ chip, ...row }) => ({ ...row, ...(chip !== null && { chip }) }));
}

/** What a connected machine reports about its computer. */
export interface Computer {
  readonly chip: string;
  readonly memoryMb: number;
}

export interface PutRecords {
  readonly writer: string;
  readonly batch: RecordBatch;
  readonly memoryOf: (provider: string) => MachineMemory;
  /** Undefined for a machine that has left. */
  readonly computerOf: (provider: string) => Computer | undefined;
  readonly now: number;
}

/** One statement for the whole batch. It may be repeated until it succeeds. */
export async function putRecords(
  database: Pool,
  { writer, batch, memoryOf, computerOf, now }: PutRecords,
): Promise<void> {
  const rows = [...batch.records].map(([provider, { counts, observedAt }]) => ({
    provider,
    ...counts,
    observedAgeMs: observedAt === undefined ? null : Math.max(0, now - observedAt),
    state: memoryOf(provider),
    ...computerOf(provider),
  }));
  await query(database, sql['put-records'], [writer, batch.number, JSON.stringify(rows)]);
}

/** Deletes at most `limit` rows, and returns whether there may be more. */
export async function deleteUnseen(database: Pool, limit: number): Promise<boolean> {
  const { rowCount } = await database.query({
    ...sql['delete-unseen'],
    values: [KEPT_DAYS, limit],
  });
  return rowCount === limit;
}
