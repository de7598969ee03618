import { join } from 'node:path';
import type { Pool } from 'pg';
import {
  events,
  type ServiceMethod,
  type StoredPut,
  type StoredRead,
  StoredStopped,
  type services,
} from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { loadStatements, query, type Statement, transaction } from '#coordinator/sql.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';
import { MAX_BYTES, storedUsage } from './stored-usage.ts';

/** Most objects that one account may store. */
export const MAX_OBJECTS = 10_000;

const sql = loadStatements(join(import.meta.dirname, 'store'), ['create', 'replace']);
const LOCK: Statement = {
  name: 'stored.lock',
  text: "SELECT pg_advisory_xact_lock(hashtextextended('stored objects ' || $1, 0))",
};
const READ: Statement = {
  name: 'stored.read',
  text: `SELECT version, CASE WHEN state = 'running' AND runs_until < $3 THEN 'lost' ELSE state END AS state, sealed
FROM stored_objects WHERE account = $1 AND id = $2 AND expires_at > $3`,
};
const RENEW: Statement = {
  name: 'stored.renew',
  text: `UPDATE stored_objects SET runs_until = $4
WHERE account = $1 AND id = $2 AND state = 'running' AND runs_until >= $3 RETURNING id`,
};
const CANCEL: Statement = {
  name: 'stored.cancel',
  text: `UPDATE stored_objects SET state = 'cancelled'
WHERE account = $1 AND id = $2 AND state = 'running' AND runs_until >= $3 RETURNING id`,
};
/** Deletes the parts of a file with it. */
const DELETE: Statement = {
  name: 'stored.delete',
  text: `DELETE FROM stored_objects WHERE account = $1 AND (id = $2 OR starts_with(id, $2 || '_'))
RETURNING id, state`,
};
const LIST = namedStatement<{ id: string; sealed: Buffer }>('stored.list')`
  SELECT id, sealed FROM stored_objects
  WHERE account = ${'account'} AND list_tag = ${'listTag'} AND expires_at > ${'now'}
    AND (${'after'}::text IS NULL OR (created_at, id) < (
      SELECT created_at, id FROM stored_objects WHERE account = ${'account'} AND id = ${'after'}))
  ORDER BY created_at DESC, id DESC LIMIT ${'most'}`;
const LIST_OLDEST_FIRST = namedStatement<{ id: string; sealed: Buffer }>('stored.list-oldest')`
  SELECT id, sealed FROM stored_objects
  WHERE account = ${'account'} AND list_tag = ${'listTag'} AND expires_at > ${'now'}
    AND (${'after'}::text IS NULL OR (created_at, id) > (
      SELECT created_at, id FROM stored_objects WHERE account = ${'account'} AND id = ${'after'}))
  ORDER BY created_at, id LIMIT ${'most'}`;
const DELETE_OLD: Statement = {
  name: 'stored.delete-old',
  text: 'DELETE FROM stored_objects WHERE expires_at <= $1',
};

interface Deps {
  readonly bus: Pick<Bus, 'emit'>;
  readonly database: Pool;
  readonly now: () => number;
}
type RequestOf<Method> = Method extends ServiceMethod<infer Request, unknown> ? Request : never;
type Accounts = typeof services.accounts;
type ObjectName = RequestOf<Accounts['readStored']>;

/**
 * Stores what callers asked to store, sealed by the ingress, until it expires. The name of an object
 * begins with its account, so no call reaches an object of another account.
 *
 * A response is stored while it runs. Its ingress renews `runs_until`; once this time has passed,
 * the response counts as lost, and neither a late renewal nor a late end changes that: a client that
 * was told of a failure must not find an answer later.
 */
export class StoredObjects {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /**
   * Stores an object if the account has room for it. The calls of one account wait for one another,
   * so that two at once cannot both take the last room.
   */
  put(object: RequestOf<Accounts['putStored']>): Promise<StoredPut> {
    const { account, id, version, state, runsUntil, sealed, expiresAt, listTag, replacesResults } =
      object;
    const now = this.#now();
    const values = [
      state,
      runsUntil === undefined ? null : new Date(runsUntil),
      Buffer.from(sealed),
      new Date(expiresAt),
    ];
    return transaction(this.#deps.database, async (client) => {
      await query(client, LOCK, [account]);
      const usage = await storedUsage(client, { account, except: id, now });
      if (
        replacesResults !== true &&
        (usage.objects >= MAX_OBJECTS || usage.bytes + sealed.length > MAX_BYTES)
      )
        return { ok: false, code: 'full' };
      const rows =
        version === 0
          ? await query(client, sql.create, [
              account,
              id,
              ...values,
              listTag === undefined ? null : Buffer.from(listTag),
            ])
          : await query(client, sql.replace, [account, id, version, ...values, now]);
      return rows.length > 0 ? { ok: true } : { ok: false, code: 'changed' };
    });
  }

  async read({ account, id }: ObjectName): Promise<StoredRead> {
    type Row = Pick<Extract<StoredRead, { ok: true }>, 'version' | 'state' | 'sealed'>;
    const [row] = await query<Row>(this.#deps.database, READ, [account, id, this.#now()]);
    return row === undefined ? { ok: false, code: 'unknown' } : { ok: true, ...row };
  }

  async renew({ account, id, runsUntil }: RequestOf<Accounts['renewStored']>): Promise<boolean> {
    const values = [account, id, this.#now(), new Date(runsUntil)];
    return (await query(this.#deps.database, RENEW, values)).length > 0;
  }

  async cancel({ account, id }: ObjectName): Promise<boolean> {
    const rows = await query(this.#deps.database, CANCEL, [account, id, this.#now()]);
    if (rows.length > 0) this.#stopped(account, id);
    return rows.length > 0;
  }

  async delete({ account, id }: ObjectName): Promise<boolean> {
    type Row = { id: string; state: string };
    const rows = await query<Row>(this.#deps.database, DELETE, [account, id]);
    const row = rows.find((each) => each.id === id);
    if (row?.state === 'running') this.#stopped(account, id);
    return row !== undefined;
  }

  /** Returns nothing after an object that is unknown, has expired or was deleted. */
  async list({ account, listTag, after, oldestFirst, limit }: RequestOf<Accounts['listStored']>) {
    const statement = oldestFirst === true ? LIST_OLDEST_FIRST : LIST;
    const rows = await queryNamed(this.#deps.database, statement, {
      account,
      listTag: Buffer.from(listTag),
      after: after ?? null,
      now: this.#now(),
      most: limit + 1,
    });
    return { objects: rows.slice(0, limit), hasMore: rows.length > limit };
  }

  async deleteOld(): Promise<void> {
    await query(this.#deps.database, DELETE_OLD, [this.#now()]);
  }

  #stopped(account: string, id: string): void {
    const at = this.#deps.now();
    this.#deps.bus.emit(
      events.accountsStoredStopped,
      StoredStopped,
      { account, id, at },
      `stored-stopped:${id}:${at}`,
    );
  }

  #now(): Date {
    return new Date(this.#deps.now());
  }
}
