import { join } from 'node:path';
import type { Pool } from 'pg';
import type { Claimed } from '#bus-schemas';
import { loadStatements, query } from '#coordinator/sql.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';

const sql = loadStatements(join(import.meta.dirname, 'store'), ['claim']);

const COMPLETE = namedStatement('claims.complete')`
  UPDATE claimed_requests SET sealed = ${'sealed'}, expires_at = ${'expiresAt'}
  WHERE account = ${'account'} AND idempotency_key = ${'idempotencyKey'} AND job = ${'job'}`;

const GIVE_UP = namedStatement('claims.give-up')`
  DELETE FROM claimed_requests
  WHERE account = ${'account'} AND idempotency_key = ${'idempotencyKey'} AND job = ${'job'}`;

const DELETE_OLD = namedStatement('claims.delete-old')`
  DELETE FROM claimed_requests WHERE expires_at < now()`;

interface ClaimOf {
  readonly account: string;
  readonly idempotencyKey: Uint8Array;
  readonly job: string;
}

/**
 * Runs requests with the same idempotency key once. The first claim runs; a later one gets the
 * stored answer, `running` while there is none, or `conflict` if its request differs.
 */
export class Claims {
  readonly #database: Pool;

  constructor(database: Pool) {
    this.#database = database;
  }

  async claim({
    account,
    idempotencyKey,
    job,
    digest,
    expiresAt,
  }: ClaimOf & { digest: Uint8Array; expiresAt: number }): Promise<Claimed> {
    type Row = { taken: boolean; digest: Buffer | null; job: string | null; sealed: Buffer | null };
    const values = [
      account,
      Buffer.from(idempotencyKey),
      Buffer.from(digest),
      job,
      new Date(expiresAt),
    ];
    const [row] = await query<Row>(this.#database, sql.claim, values);
    // No row: another job claimed after the snapshot of this statement was taken, so its row
    // prevents the insert but is not visible to the second half of the statement.
    if (row === undefined) return { ok: false, code: 'running' };
    if (row.taken) return { ok: true };
    if (row.digest?.equals(Buffer.from(digest)) !== true) return { ok: false, code: 'conflict' };
    return row.sealed === null || row.job === null
      ? { ok: false, code: 'running' }
      : { ok: false, code: 'answered', job: row.job, sealed: row.sealed };
  }

  async end({
    account,
    idempotencyKey,
    job,
    sealed,
    expiresAt,
  }: ClaimOf & { sealed?: Uint8Array; expiresAt?: number }): Promise<void> {
    const claim = { account, idempotencyKey: Buffer.from(idempotencyKey), job };
    if (sealed === undefined || expiresAt === undefined)
      await queryNamed(this.#database, GIVE_UP, claim);
    else
      await queryNamed(this.#database, COMPLETE, {
        ...claim,
        sealed: Buffer.from(sealed),
        expiresAt: new Date(expiresAt),
      });
  }

  async deleteOld(): Promise<void> {
    await queryNamed(this.#database, DELETE_OLD, {});
  }
}
