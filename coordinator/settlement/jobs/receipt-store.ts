import type { Pool } from 'pg';
import type { Receipt, Usage } from '#bus-schemas';
import { query } from '#coordinator/sql.ts';
import { column, pluck } from '../database-work.ts';
import { type Numeric, jobStatements as sql } from './job-statements.ts';

export interface ReceiptRow extends Usage {
  readonly version?: 2 | undefined;
  readonly job: string;
  readonly attempt: number;
  readonly provider: string;
  readonly build: string;
  readonly continuedTokens?: number | undefined;
  readonly finish: string;
  readonly requestHash: Uint8Array;
  readonly responseHash: Uint8Array;
  /** A proof of the ingress confirms these tokens; 0 without a valid proof. */
  readonly deliveredTokens: number;
  readonly signature?: Uint8Array | undefined;
  readonly signingKey?: Uint8Array | undefined;
  readonly group?: Uint8Array | undefined;
}

/** A job that ended without a signed receipt, with the encoded JobEnded message of its ingress. */
export interface AwaitedReceipt {
  readonly job: string;
  readonly ended: Buffer;
  /** True when the provider's time to send a receipt is over. */
  readonly isExpired: boolean;
}

type StoredReceipt = Numeric<Usage> &
  Pick<Receipt, 'job' | 'attempt' | 'build' | 'finish'> & {
    version: 1 | 2;
    provider: string;
    requestHash: Buffer;
    responseHash: Buffer;
    signature: Buffer | null;
    signingKey: Buffer | null;
    group: Buffer | null;
    continuedTokens: string | null;
  };

const asBuffer = (bytes: Uint8Array | null) =>
  bytes && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Stores the receipts of providers, and the ends of jobs that wait for one. */
export class ReceiptStore {
  readonly #database: Pool;

  constructor(database: Pool) {
    this.#database = database;
  }

  /** Returns the receipts that providers need not send again. */
  async record(
    rows: readonly ReceiptRow[],
  ): Promise<Pick<ReceiptRow, 'job' | 'attempt' | 'provider'>[]> {
    return query<Pick<ReceiptRow, 'job' | 'attempt' | 'provider'>>(
      this.#database,
      sql['record-receipts'],
      [
        column(pluck(rows, 'job')),
        column(pluck(rows, 'attempt')),
        column(pluck(rows, 'provider')),
        column(pluck(rows, 'build')),
        column(pluck(rows, 'promptTokens')),
        column(pluck(rows, 'cachedTokens')),
        column(pluck(rows, 'completionTokens')),
        column(pluck(rows, 'finish')),
        rows.map(({ requestHash }) => asBuffer(requestHash)),
        rows.map(({ responseHash }) => asBuffer(responseHash)),
        rows.map(({ signature }) => signature && asBuffer(signature)),
        rows.map(({ signingKey }) => signingKey && asBuffer(signingKey)),
        column(pluck(rows, 'deliveredTokens')),
        column(rows.map(({ version = 1 }) => version)),
        rows.map(({ continuedTokens = null }) => continuedTokens),
        rows.map(({ group = null }) => asBuffer(group)),
      ],
    );
  }

  /** Returns the newest receipt of each provider for each job. */
  async of(jobs: readonly string[]): Promise<(Receipt & { readonly provider: string })[]> {
    return (await query<StoredReceipt>(this.#database, sql['receipts-of-jobs'], [jobs])).map(
      asReceipt,
    );
  }

  /** Keeps the holds of jobs that ended without a signed receipt for `graceMs` milliseconds. */
  async waitFor(
    ends: readonly { job: string; provider: string; fact: Uint8Array }[],
    graceMs: number,
  ): Promise<void> {
    await query(this.#database, sql['await-receipts'], [
      pluck(ends, 'job'),
      pluck(ends, 'provider'),
      ends.map(({ fact }) => asBuffer(fact)),
      graceMs,
    ]);
  }

  async awaited(limit: number): Promise<AwaitedReceipt[]> {
    return query<AwaitedReceipt>(this.#database, sql['awaited-receipts'], [limit]);
  }
}

function asReceipt({
  version,
  promptTokens,
  cachedTokens,
  completionTokens,
  signature,
  signingKey,
  group,
  continuedTokens,
  ...row
}: StoredReceipt): Receipt & { provider: string } {
  const usage = {
    promptTokens: Number(promptTokens),
    cachedTokens: Number(cachedTokens),
    completionTokens: Number(completionTokens),
  };
  return {
    ...row,
    usage,
    ...(version === 2 && { version }),
    ...(continuedTokens !== null && { continuedTokens: Number(continuedTokens) }),
    ...(signature && { signature }),
    ...(signingKey && { signingKey }),
    ...(group && { group }),
  };
}
