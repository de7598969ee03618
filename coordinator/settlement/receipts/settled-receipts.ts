import { join } from 'node:path';
import type { Pool } from 'pg';
import {
  type Finish,
  isSame,
  isWorkSigned,
  type MessageOf,
  printReceipt,
  type services,
  settledText,
} from '#bus-schemas';
import { loadStatements, query } from '#coordinator/sql.ts';
import type { ReceiptKeys } from './receipt-keys.ts';

const sql = loadStatements(join(import.meta.dirname, 'store'), ['settled-receipt']);

interface Row {
  readonly version: 1 | 2;
  readonly job: string;
  readonly attempt: number;
  readonly provider: string;
  readonly build: string;
  readonly promptTokens: string;
  readonly cachedTokens: string;
  readonly completionTokens: string;
  readonly continuedTokens: string | null;
  readonly finish: Finish;
  readonly requestHash: Buffer;
  readonly responseHash: Buffer;
  /**
   * Null when the paid provider sent no signed receipt. If it sent no receipt at all, the fields
   * above that describe it are null too.
   */
  readonly signature: Buffer | null;
  readonly signingKey: Buffer | null;
  /** Null if the signature covers this receipt alone. */
  readonly group: Buffer | null;
  readonly model: string;
  readonly charged: string;
  readonly at: Date;
  readonly input: string;
  readonly cacheRead: string;
  readonly output: string;
}

/**
 * Countersigns the receipts of settled jobs: the coordinator signs the provider's signed work
 * together with its price.
 */
export class SettledReceipts {
  readonly #database: Pool;
  readonly #keys: ReceiptKeys;
  readonly #keyOf: (provider: string) => Promise<Uint8Array | undefined>;

  /**
   * `keyOf` returns the key that the machine showed to trust; undefined when trust has none or does
   * not answer.
   */
  constructor(options: {
    database: Pool;
    keys: ReceiptKeys;
    keyOf: (provider: string) => Promise<Uint8Array | undefined>;
  }) {
    this.#database = options.database;
    this.#keys = options.keys;
    this.#keyOf = options.keyOf;
  }

  async of({
    account,
    key,
    job,
  }: MessageOf<typeof services.settlement.receipt.request>): Promise<
    MessageOf<typeof services.settlement.receipt.reply>
  > {
    const [row] = await query<Row>(this.#database, sql['settled-receipt'], [
      account,
      key ?? null,
      job,
    ]);
    if (row === undefined) return { ok: false, code: 'unknown_job' };
    const { signature, signingKey, group } = row;
    if (signature === null || signingKey === null) return { ok: false, code: 'unsigned' };
    const work = {
      ...(row.version === 2 && { version: row.version }),
      job: row.job,
      attempt: row.attempt,
      build: row.build,
      finish: row.finish,
      ...(row.continuedTokens !== null && { continuedTokens: Number(row.continuedTokens) }),
      requestHash: row.requestHash,
      responseHash: row.responseHash,
      usage: {
        promptTokens: Number(row.promptTokens),
        cachedTokens: Number(row.cachedTokens),
        completionTokens: Number(row.completionTokens),
      },
    };
    const verifiedKey = await this.#keyOf(row.provider);
    const isOtherKey = verifiedKey !== undefined && !isSame(verifiedKey, signingKey);
    const by = { signature, signingKey, ...(group && { group }) };
    if (isOtherKey || !isWorkSigned(work, by)) return { ok: false, code: 'forged' };
    const settled = {
      provider: row.provider,
      model: row.model,
      chargedMicroUsd: Number(row.charged),
      settledAt: row.at.getTime(),
      prices: {
        input: Number(row.input),
        cacheRead: Number(row.cacheRead),
        output: Number(row.output),
      },
    };
    const { publicKey: coordinatorKey, sign } = this.#keys.current;
    return {
      ok: true,
      receipt: printReceipt({
        work,
        by,
        settled,
        coordinatorKey,
        countersignature: sign(settledText(work, by, settled)),
      }),
    };
  }
}
