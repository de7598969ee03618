import type { ClientBase, Pool } from 'pg';
import { transaction } from '#coordinator/sql.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';

/**
 * The commit need not wait for the disk. If a crash loses it, the facts are published again, which
 * changes nothing.
 */
const ONE_PUBLISHER_AT_A_TIME = namedStatement<{ mine: boolean }>('outbox.one-publisher-at-a-time')`
  SELECT pg_try_advisory_xact_lock(4711003) AS mine, set_config('synchronous_commit', 'off', true)`;

const WAITING = namedStatement<OutboxRow>('outbox.waiting')`
  SELECT id, subject, message_ids AS "messageIds", payloads FROM settlement_outbox
  WHERE parked_at IS NULL ORDER BY id LIMIT ${'limit'}`;

const IS_ANY_WAITING = namedStatement<{ waits: boolean }>('outbox.is-any-waiting')`
  SELECT EXISTS (SELECT FROM settlement_outbox WHERE parked_at IS NULL) AS waits`;

const CLEAR = namedStatement('outbox.clear')`
  DELETE FROM settlement_outbox WHERE id = ANY(${'ids'})`;

/** The row keeps the messages that the bus refused; its other messages were published. */
const PARK = namedStatement('outbox.park')`
  UPDATE settlement_outbox
  SET message_ids = ${'messageIds'}, payloads = ${'payloads'}, reason = ${'reason'},
    parked_at = now()
  WHERE id = ${'id'}`;

const PARKED = namedStatement<Omit<ParkedRow, 'parkedAt'> & { parkedAt: Date }>('outbox.parked')`
  SELECT id, subject, cardinality(message_ids) AS messages, parked_at AS "parkedAt", reason
  FROM settlement_outbox WHERE parked_at IS NOT NULL ORDER BY id LIMIT 1000`;

const REPLAY = namedStatement('outbox.replay')`
  UPDATE settlement_outbox SET parked_at = NULL, reason = NULL
  WHERE parked_at IS NOT NULL AND (${'ids'}::bigint[] IS NULL OR id = ANY(${'ids'}))
  RETURNING id`;

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
      const [lock] = await queryNamed(client, ONE_PUBLISHER_AT_A_TIME, {});
      if (!lock?.mine) return false;
      await work(client);
      return true;
    });
  }

  /** Costs a quarter of a transaction of the only publisher, which mostly finds nothing. */
  async isAnyWaiting(): Promise<boolean> {
    const [found] = await queryNamed(this.#database, IS_ANY_WAITING, {});
    return found?.waits === true;
  }

  waiting(client: ClientBase, limit: number): Promise<OutboxRow[]> {
    return queryNamed(client, WAITING, { limit });
  }

  async clear(client: ClientBase, ids: readonly string[]): Promise<void> {
    await queryNamed(client, CLEAR, { ids });
  }

  async park(
    client: ClientBase,
    { id, messageIds, payloads }: OutboxRow,
    reason: string,
  ): Promise<void> {
    await queryNamed(client, PARK, { id, messageIds, payloads, reason: reason.slice(0, 500) });
  }

  async parked(): Promise<ParkedRow[]> {
    const rows = await queryNamed(this.#database, PARKED, {});
    return rows.map((row) => ({ ...row, parkedAt: row.parkedAt.getTime() }));
  }

  /** Returns the number of rows that will be published again. */
  async replay(ids: readonly string[] | undefined): Promise<number> {
    return (await queryNamed(this.#database, REPLAY, { ids: ids ?? null })).length;
  }
}
