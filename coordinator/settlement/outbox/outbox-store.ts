import { join } from 'node:path';
import type { ClientBase, Pool } from 'pg';
import { loadStatements, query, transaction } from '#coordinator/sql.ts';

const sql = loadStatements(join(import.meta.dirname, 'store'), [
  'clear',
  'one-publisher-at-a-time',
  'park',
  'parked',
  'replay',
  'waiting',
]);

/** The facts that one ledger statement wrote, in order. */
export interface OutboxRow {
  readonly id: string;
  readonly subject: string;
  readonly messageIds: readonly string[];
  readonly payloads: readonly Buffer[];
}

export interface ParkedRow {
  readonly id: string;
  readonly subject: string;
  readonly messages: number;
  readonly parkedAt: number;
  readonly reason: string;
}

export class OutboxStore {
  readonly #database: Pool;

  constructor(database: Pool) {
    this.#database = database;
  }

  /**
   * Runs the work unless another process is publishing, because two publishers could change the
   * order of facts. Returns false when another process is publishing.
   */
  asOnlyPublisher(work: (client: ClientBase) => Promise<void>): Promise<boolean> {
    return transaction(this.#database, async (client) => {
      const [lock] = await query<{ mine: boolean }>(client, sql['one-publisher-at-a-time']);
      if (!lock?.mine) return false;
      await work(client);
      return true;
    });
  }

  waiting(client: ClientBase, limit: number): Promise<OutboxRow[]> {
    return query(client, sql.waiting, [limit]);
  }

  async clear(client: ClientBase, ids: readonly string[]): Promise<void> {
    await query(client, sql.clear, [ids]);
  }

  async park(
    client: ClientBase,
    { id, messageIds, payloads }: OutboxRow,
    reason: string,
  ): Promise<void> {
    await query(client, sql.park, [id, messageIds, payloads, reason.slice(0, 500)]);
  }

  async parked(): Promise<ParkedRow[]> {
    const rows = await query<Omit<ParkedRow, 'parkedAt'> & { parkedAt: Date }>(
      this.#database,
      sql.parked,
    );
    return rows.map((row) => ({ ...row, parkedAt: row.parkedAt.getTime() }));
  }

  /** Returns the number of rows that will be published again. */
  async replay(ids: readonly string[] | undefined): Promise<number> {
    return (await query(this.#database, sql.replay, [ids ?? null])).length;
  }
}
