import { join } from 'node:path';
import type { Pool } from 'pg';
import { addMonths, type Month, startOf } from '#coordinator/months.ts';
import { loadStatements, query, transaction } from '#coordinator/sql.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';
import { pluck } from '../database-work.ts';
import type { ArchiveSums } from './archive-file.ts';

const sql = loadStatements(join(import.meta.dirname, 'store'), [
  'delete-archived',
  'export',
  'sums',
]);

/** Selects the month of the oldest charge, as YYYY-MM; null without charges. */
const OLDEST = namedStatement<{ month: Month | null }>('archive.oldest')`
  SELECT to_char(min(at) AT TIME ZONE 'UTC', 'YYYY-MM') AS month FROM charges`;

const REGISTERED = namedStatement<SumsRow & Pick<RegisteredMonth, 'sha256' | 'isDeleted'>>(
  'archive.registered',
)`
  SELECT charges, receipts, charged, sha256, deleted_at IS NOT NULL AS "isDeleted"
  FROM ledger_archives WHERE month = ${'month'}`;

const REGISTER = namedStatement('archive.register')`
  INSERT INTO ledger_archives (month, charges, receipts, charged, sha256)
  VALUES (${'month'}, ${'charges'}, ${'receipts'}, ${'charged'}, ${'sha256'})`;

/** Marks a month whose charges are all deleted. */
const FINISH = namedStatement('archive.finish')`
  UPDATE ledger_archives SET deleted_at = now()
  WHERE month = ${'month'}
    AND NOT EXISTS (SELECT FROM charges WHERE at >= ${'from'} AND at < ${'until'}) RETURNING month`;

/** Jobs that are read with one statement. */
const EXPORT_BATCH = 2_000;
/** Key of the lock that a process has while it archives. The number is arbitrary. */
const LOCK = 4_711_004;

/** A month whose archive is complete. Its charges may be deleted, or are deleted already. */
export interface RegisteredMonth extends ArchiveSums {
  readonly sha256: Buffer;
  readonly isDeleted: boolean;
}

type SumsRow = Record<keyof ArchiveSums, string>;
const asSums = ({ charges, receipts, charged }: SumsRow): ArchiveSums => ({
  charges: Number(charges),
  receipts: Number(receipts),
  charged: BigInt(charged),
});
const bounds = (month: Month): [Date, Date] => [startOf(month), startOf(addMonths(month, 1))];
const firstDay = (month: Month): string => `${month}-01`;

/**
 * The statements of an archive. They need the owner of the tables: components cannot delete
 * charges.
 */
export class ArchiveStore {
  readonly #database: Pool;

  constructor(database: Pool) {
    this.#database = database;
  }

  /** Runs the work unless another process archives. Returns false if another one does. */
  async asOnlyArchiver(work: () => Promise<void>): Promise<boolean> {
    const client = await this.#database.connect();
    let broken: Error | undefined;
    try {
      const { rows } = await client.query<{ mine: boolean }>(
        'SELECT pg_try_advisory_lock($1) AS mine',
        [LOCK],
      );
      if (!rows[0]?.mine) return false;
      await work();
      return true;
    } finally {
      // The lock of a lost connection is free.
      await client.query('SELECT pg_advisory_unlock_all()').catch((error: Error) => {
        broken = error;
      });
      client.release(broken);
    }
  }

  async oldestMonth(): Promise<Month | undefined> {
    const [row] = await queryNamed(this.#database, OLDEST, {});
    return row?.month ?? undefined;
  }

  async registered(month: Month): Promise<RegisteredMonth | undefined> {
    const [row] = await queryNamed(this.#database, REGISTERED, { month: firstDay(month) });
    if (row === undefined) return undefined;
    const { sha256, isDeleted } = row;
    return { ...asSums(row), sha256, isDeleted };
  }

  async sumsOf(month: Month): Promise<ArchiveSums> {
    const [row] = await query<SumsRow>(this.#database, sql.sums, bounds(month));
    if (row === undefined) throw new Error('the sums of a month are one row');
    return asSums(row);
  }

  /** Passes all jobs of the month, as lines of JSON, to `write`. */
  async exportMonth(
    month: Month,
    write: (lines: AsyncIterable<readonly string[]>) => Promise<Buffer>,
  ): Promise<Buffer> {
    return transaction(this.#database, async (client) => {
      await client.query("SET LOCAL timezone = 'UTC'");
      // A cursor cannot be a prepared statement with parameters of its own.
      const [from, until] = bounds(month).map((at) => client.escapeLiteral(at.toISOString()));
      await client.query(sql.export.text.replace('$1', `${from}`).replace('$2', `${until}`));
      async function* batches(): AsyncGenerator<readonly string[]> {
        for (;;) {
          const { rows } = await client.query<{ line: string }>(
            `FETCH ${EXPORT_BATCH} FROM month_of_charges`,
          );
          if (rows.length === 0) return;
          yield pluck(rows, 'line');
        }
      }
      return write(batches());
    });
  }

  async register(month: Month, { charges, receipts, charged }: ArchiveSums, sha256: Buffer) {
    await queryNamed(this.#database, REGISTER, {
      month: firstDay(month),
      charges,
      receipts,
      charged: String(charged),
      sha256,
    });
  }

  /** Returns the number of charges that this call deleted. */
  async deleteJobs(month: Month, jobs: readonly string[]): Promise<number> {
    const [row] = await transaction(this.#database, async (client) => {
      // For so many jobs the planner would often prefer to read a whole table, for each batch anew.
      await client.query('SET LOCAL enable_seqscan = off');
      return query<{ charges: string }>(client, sql['delete-archived'], [firstDay(month), jobs]);
    });
    return Number(row?.charges ?? 0);
  }

  /** Returns false if the month still has charges. */
  async finish(month: Month): Promise<boolean> {
    const [from, until] = bounds(month);
    return (
      (await queryNamed(this.#database, FINISH, { month: firstDay(month), from, until })).length > 0
    );
  }

  /**
   * Makes the space of deleted rows usable for new ones. The index by time is built again: its
   * entries for this space still name the old months, and would name the new ones besides.
   */
  async freeSpace(): Promise<void> {
    for (const table of ['charges', 'receipts'])
      await this.#database.query(`VACUUM (ANALYZE) ${table}`);
    await this.#database.query('REINDEX INDEX CONCURRENTLY charges_by_time');
  }
}
