import type { Pool } from 'pg';
import {
  BatchChanged,
  type BatchRecord,
  events,
  type ServiceMethod,
  type services,
} from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { transaction } from '#coordinator/sql.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';
import { MAX_BYTES, storedUsage } from '../stored/stored-usage.ts';
import { type BatchRow, recordOf } from './batch-rows.ts';

/** Most unfinished batches of one account. */
export const MAX_OPEN_BATCHES = 16;

const LOCK = namedStatement('batches.lock')`
  SELECT pg_advisory_xact_lock(hashtextextended('batches ' || ${'account'}, 0))`;
const COUNT_OPEN = namedStatement<{ open: number }>('batches.count-open')`
  SELECT count(*)::int AS open FROM batches WHERE account = ${'account'} AND ended_at IS NULL`;
const CREATE = namedStatement<BatchRow>('batches.create')`
  INSERT INTO batches
    (account, id, list_tag, status, sealed, keys, created_at, expires_at, delete_at)
  VALUES (${'account'}, ${'id'}, ${'listTag'}, 'validating', ${'sealed'}, ${'keys'}, ${'now'},
    ${'expiresAt'}, ${'deleteAt'})
  RETURNING *`;
const READ = namedStatement<BatchRow>('batches.read')`
  SELECT * FROM batches
  WHERE account = ${'account'} AND id = ${'id'} AND delete_at > ${'now'}`;
const LIST = namedStatement<BatchRow>('batches.list')`
  SELECT * FROM batches
  WHERE account = ${'account'} AND list_tag = ${'listTag'} AND delete_at > ${'now'}
    AND (${'after'}::text IS NULL OR (created_at, id) < (
      SELECT created_at, id FROM batches WHERE account = ${'account'} AND id = ${'after'}))
  ORDER BY created_at DESC, id DESC LIMIT ${'most'}`;
/** The oldest batches that are newer than a given one, the oldest first. */
const LIST_BEFORE = namedStatement<BatchRow>('batches.list-before')`
  SELECT * FROM batches
  WHERE account = ${'account'} AND list_tag = ${'listTag'} AND delete_at > ${'now'}
    AND (created_at, id) > (
      SELECT created_at, id FROM batches WHERE account = ${'account'} AND id = ${'before'})
  ORDER BY created_at, id LIMIT ${'most'}`;
const CANCEL = namedStatement('batches.cancel')`
  UPDATE batches SET status = 'cancelling', cancelling_at = ${'now'}
  WHERE account = ${'account'} AND id = ${'id'} AND status IN ('validating', 'in_progress')`;
const GRANT = namedStatement('batches.grant')`
  UPDATE batches SET keys = ${'keys'}
  WHERE account = ${'account'} AND id = ${'id'} AND keys IS NULL AND ended_at IS NULL`;
const DELETE = namedStatement<{ id: string }>('batches.delete')`
  DELETE FROM batches
  WHERE account = ${'account'} AND id = ${'id'} AND ended_at IS NOT NULL RETURNING id`;
const DELETE_OLD = namedStatement('batches.delete-old')`
  DELETE FROM batches WHERE delete_at <= ${'now'}`;

interface Deps {
  readonly bus: Pick<Bus, 'emit'>;
  readonly database: Pool;
  readonly now: () => number;
}
type RequestOf<Method> = Method extends ServiceMethod<infer Request, unknown> ? Request : never;
type Accounts = typeof services.accounts;
type BatchName = RequestOf<Accounts['readBatch']>;
type Created =
  | { readonly ok: true; readonly batch: BatchRecord }
  | { readonly ok: false; readonly code: 'too_many' | 'full' };

/**
 * Batches as their callers see them. The name of a batch begins with its account, so no call reaches
 * a batch of another account.
 */
export class Batches {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /**
   * The calls of one account wait for one another, so that two at once cannot both take the last
   * place. A repeated call finds the batch that the first one made.
   */
  async create(wanted: RequestOf<Accounts['createBatch']>): Promise<Created> {
    const { account, id, listTag, sealed, keys, runMs, keepMs } = wanted;
    const created = await transaction(this.#deps.database, async (client): Promise<Created> => {
      await queryNamed(client, LOCK, { account });
      const now = this.#now();
      const [earlier] = await queryNamed(client, READ, { account, id, now });
      if (earlier !== undefined) return { ok: true, batch: recordOf(earlier) };
      const [counted] = await queryNamed(client, COUNT_OPEN, { account });
      if (counted !== undefined && counted.open >= MAX_OPEN_BATCHES)
        return { ok: false, code: 'too_many' };
      const { bytes } = await storedUsage(client, { account, now });
      if (bytes >= MAX_BYTES) return { ok: false, code: 'full' };
      const [row] = await queryNamed(client, CREATE, {
        account,
        id,
        listTag: Buffer.from(listTag),
        sealed: Buffer.from(sealed),
        keys: Buffer.from(keys),
        now,
        expiresAt: new Date(now.getTime() + runMs),
        deleteAt: new Date(now.getTime() + keepMs),
      });
      return { ok: true, batch: recordOf(row as BatchRow) };
    });
    if (created.ok) this.#changed(id);
    return created;
  }

  async read({ account, id }: BatchName) {
    const [row] = await queryNamed(this.#deps.database, READ, { account, id, now: this.#now() });
    return row === undefined
      ? { ok: false as const, code: 'unknown' as const }
      : { ok: true as const, batch: recordOf(row) };
  }

  /**
   * Returns the newest batches first, or those beside a given one: after it in this order, or before
   * it. Beside a batch that is unknown or was deleted there are none.
   */
  async list(asked: RequestOf<Accounts['listBatches']>) {
    const { account, after = null, before, limit } = asked;
    const listTag = Buffer.from(asked.listTag);
    const page = { account, listTag, now: this.#now(), most: limit + 1 };
    const rows =
      before === undefined
        ? await queryNamed(this.#deps.database, LIST, { ...page, after })
        : await queryNamed(this.#deps.database, LIST_BEFORE, { ...page, before });
    const batches = rows.slice(0, limit).map(recordOf);
    return {
      batches: before === undefined ? batches : batches.toReversed(),
      hasMore: rows.length > limit,
    };
  }

  /** Returns the batch as it is afterwards. One that is being finished or has ended stays so. */
  async cancel(named: BatchName) {
    const { account, id } = named;
    await queryNamed(this.#deps.database, CANCEL, { account, id, now: this.#now() });
    this.#changed(id);
    return this.read(named);
  }

  /** Returns false for a batch that is unknown or has not ended. */
  async delete({ account, id }: BatchName): Promise<boolean> {
    return (await queryNamed(this.#deps.database, DELETE, { account, id })).length > 0;
  }

  /** Gives an unfinished batch its keys again. */
  async grant({ account, id, keys }: RequestOf<Accounts['grantBatch']>): Promise<void> {
    await queryNamed(this.#deps.database, GRANT, { account, id, keys: Buffer.from(keys) });
    this.#changed(id);
  }

  async deleteOld(): Promise<void> {
    await queryNamed(this.#deps.database, DELETE_OLD, { now: this.#now() });
  }

  /** Tells the ingresses that a batch may need one of them. */
  #changed(id: string): void {
    const at = this.#deps.now();
    this.#deps.bus.emit(
      events.accountsBatchChanged,
      BatchChanged,
      { id, at },
      `batch-changed:${id}:${at}`,
    );
  }

  #now(): Date {
    return new Date(this.#deps.now());
  }
}
