import { join } from 'node:path';
import type { Pool } from 'pg';
import type { Claimed } from '#bus-schemas';
import { loadStatements, query } from '#coordinator/sql.ts';

const sql = loadStatements(join(import.meta.dirname, 'store'), [
  'claim',
  'complete',
  'delete-old',
  'give-up',
]);

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
    const claim = [account, Buffer.from(idempotencyKey), job];
    if (sealed === undefined || expiresAt === undefined)
      await query(this.#database, sql['give-up'], claim);
    else
      await query(this.#database, sql.complete, [
        ...claim,
        Buffer.from(sealed),
        new Date(expiresAt),
      ]);
  }

  async deleteOld(): Promise<void> {
    await query(this.#database, sql['delete-old']);
  }
}
