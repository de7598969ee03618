import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type ClientBase, DatabaseError, type Pool } from 'pg';
import { loadStatements, query, transaction } from '#coordinator/sql.ts';
import type { Price } from '../core/charge.ts';

const sql = loadStatements(join(import.meta.dirname), [
  'add-to-outbox',
  'balance',
  'clear-outbox',
  'end-jobs',
  'hold',
  'lock-jobs',
  'overdue-jobs',
  'post',
  'price-version',
  'receipts-of-jobs',
  'record-receipts',
  'verify',
  'void-jobs',
  'waiting-in-outbox',
]);

type AccountKind = 'consumer' | 'held' | 'provider' | 'platform' | 'external';

export interface HoldRow {
  readonly job: string;
  readonly account: string;
  readonly key: string;
  readonly model: string;
  readonly priceVersion: string;
  readonly promptBound: number;
  readonly held: number;
  readonly digest: Buffer;
  readonly expiresAt: number;
}

export interface HoldResult {
  readonly result: 'held' | 'insufficient_funds' | 'unknown_account' | 'operation_conflict' | 'ended';
  readonly held: number;
}

export interface JobRow {
  readonly job: string;
  readonly status: 'held' | 'settled' | 'refunded' | 'void';
  readonly account: string;
  readonly held: number;
  readonly promptBound: number;
  readonly price: Price;
}

export interface Posting {
  readonly operation: string;
  readonly digest: Buffer;
  readonly entries: readonly { account: string; kind: AccountKind; amount: number }[];
}

export interface EndedRow {
  readonly job: string;
  readonly status: 'settled' | 'refunded';
  readonly provider: string | null;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly charged: number;
  readonly providerShare: number;
  readonly fee: number;
}

export interface ReceiptRow {
  readonly job: string;
  readonly attempt: number;
  readonly provider: string;
  readonly build: string;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly finish: string;
  readonly requestHash: Uint8Array;
  readonly responseHash: Uint8Array;
}

export interface ReportedUsage {
  readonly job: string;
  readonly provider: string | null;
  readonly promptTokens: number;
  readonly completionTokens: number;
}

export interface OutboxRow {
  readonly id: string;
  readonly subject: string;
  readonly messageId: string;
  readonly payload: Buffer;
}

type Numeric<Row> = { [Field in keyof Row]: Row[Field] extends number ? string : Row[Field] };
const pluck = <Row, Field extends keyof Row>(rows: readonly Row[], field: Field): Row[Field][] => rows.map((row) => row[field]);

/** Serialisation failures, deadlocks, and two copies that write the same operation at the same moment. */
const PASSING = new Set(['40001', '40P01', '23505']);
const MAX_TRIES = 6;

/** The values of one row do not fit: data exceptions and broken constraints. Anything else may pass by itself. */
export function isRowsFault(error: unknown): boolean {
  return error instanceof DatabaseError && /^2[23]/.test(error.code ?? '');
}

/** Tries again what only failed because somebody else did something at the same time; nothing else. */
export async function retried<T>(work: () => Promise<T>, random: () => number = Math.random): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof DatabaseError && PASSING.has(error.code ?? '')) || tries === MAX_TRIES) throw error;
      await delay(random() * 5 * 2 ** tries);
    }
  }
}

/** The ledger's statements. What belongs together is called with the client of one transaction. */
export class LedgerStore {
  readonly #database: Pool;

  constructor(database: Pool) {
    this.#database = database;
  }

  transaction<T>(work: (client: ClientBase) => Promise<T>): Promise<T> {
    return retried(() => transaction(this.#database, work));
  }

  /** With a transaction's client it is as durable as that; alone it does not wait for the disk. */
  async hold(rows: readonly HoldRow[], client?: ClientBase): Promise<HoldResult[]> {
    const values = [
      ...[pluck(rows, 'job'), pluck(rows, 'account'), pluck(rows, 'key'), pluck(rows, 'model'), pluck(rows, 'priceVersion')],
      ...[pluck(rows, 'promptBound'), pluck(rows, 'held'), pluck(rows, 'digest'), rows.map(({ expiresAt }) => new Date(expiresAt))],
      client !== undefined,
    ];
    const results = await query<Numeric<HoldResult>>(client ?? this.#database, sql.hold, values);
    return results.map((row) => ({ ...row, held: Number(row.held) }));
  }

  async lockJobs(client: ClientBase, jobs: readonly string[]): Promise<Map<string, JobRow>> {
    const rows = await query<Numeric<Omit<JobRow, 'price'>> & { inputPerMillion: string | null; outputPerMillion: string | null }>(client, sql['lock-jobs'], [
      jobs,
    ]);
    const price = (row: (typeof rows)[number]): Price => ({ inputPerMillion: Number(row.inputPerMillion), outputPerMillion: Number(row.outputPerMillion) });
    return new Map(rows.map((row) => [row.job, { ...row, held: Number(row.held), promptBound: Number(row.promptBound), price: price(row) }]));
  }

  async post(client: ClientBase, postings: readonly Posting[]): Promise<{ operation: string; posted: boolean; digest: Buffer }[]> {
    const entries = postings.flatMap((posting, index) => posting.entries.filter(({ amount }) => amount !== 0).map((entry) => ({ ...entry, of: index + 1 })));
    return query(client, sql.post, [
      ...[pluck(postings, 'operation'), pluck(postings, 'digest'), pluck(entries, 'of')],
      ...[pluck(entries, 'account'), pluck(entries, 'kind'), pluck(entries, 'amount')],
    ]);
  }

  async endJobs(client: ClientBase, rows: readonly EndedRow[]): Promise<void> {
    await query(client, sql['end-jobs'], [
      ...[pluck(rows, 'job'), pluck(rows, 'status'), pluck(rows, 'provider'), pluck(rows, 'promptTokens'), pluck(rows, 'completionTokens')],
      ...[pluck(rows, 'charged'), pluck(rows, 'providerShare'), pluck(rows, 'fee')],
    ]);
  }

  /** Answers with the jobs that nobody knew until now. */
  async voidJobs(client: ClientBase, rows: readonly { job: string; account: string; key: string; model: string }[]): Promise<string[]> {
    const voided = await query<{ job: string }>(client, sql['void-jobs'], [
      pluck(rows, 'job'),
      pluck(rows, 'account'),
      pluck(rows, 'key'),
      pluck(rows, 'model'),
    ]);
    return pluck(voided, 'job');
  }

  async addToOutbox(client: ClientBase, rows: readonly Omit<OutboxRow, 'id' | 'payload'>[], payloads: readonly Uint8Array[]): Promise<void> {
    await query(client, sql['add-to-outbox'], [pluck(rows, 'subject'), pluck(rows, 'messageId'), payloads.map((payload) => Buffer.from(payload))]);
  }

  waitingInOutbox(limit: number): Promise<OutboxRow[]> {
    return query(this.#database, sql['waiting-in-outbox'], [limit]);
  }

  async clearOutbox(ids: readonly string[]): Promise<void> {
    await query(this.#database, sql['clear-outbox'], [ids]);
  }

  async priceVersion(model: string, price: Price): Promise<string> {
    const [row] = await query<{ id: string }>(this.#database, sql['price-version'], [model, price.inputPerMillion, price.outputPerMillion]);
    if (row === undefined) throw new Error('a price version was neither found nor made');
    return row.id;
  }

  async recordReceipts(rows: readonly ReceiptRow[]): Promise<void> {
    await query(this.#database, sql['record-receipts'], [
      ...[
        pluck(rows, 'job'),
        pluck(rows, 'attempt'),
        pluck(rows, 'provider'),
        pluck(rows, 'build'),
        pluck(rows, 'promptTokens'),
        pluck(rows, 'completionTokens'),
      ],
      ...[pluck(rows, 'finish'), rows.map(({ requestHash }) => Buffer.from(requestHash)), rows.map(({ responseHash }) => Buffer.from(responseHash))],
    ]);
  }

  async receiptsOf(client: ClientBase, jobs: readonly string[]): Promise<ReportedUsage[]> {
    return (await query<Numeric<ReportedUsage>>(client, sql['receipts-of-jobs'], [jobs])).map(asUsage);
  }

  /** Held jobs that nobody ended; without a provider where none gave a receipt. */
  async overdueJobs(receiptGraceMs: number, limit: number): Promise<ReportedUsage[]> {
    return (await query<Numeric<ReportedUsage>>(this.#database, sql['overdue-jobs'], [receiptGraceMs, limit])).map(asUsage);
  }

  async balance(account: string): Promise<{ available: number; held: number }> {
    const [row] = await query<{ available: string; held: string }>(this.#database, sql.balance, [account]);
    return { available: Number(row?.available ?? 0), held: Number(row?.held ?? 0) };
  }

  async verify(): Promise<Record<'unbalancedTransactions' | 'driftedBalances' | 'negativeBalances' | 'openHolds' | 'overdueHolds' | 'doubleEnded', number>> {
    const [row] = await query<Record<string, string>>(this.#database, sql.verify);
    const count = (name: string) => Number(row?.[name]);
    return {
      unbalancedTransactions: count('unbalancedTransactions'),
      driftedBalances: count('driftedBalances'),
      negativeBalances: count('negativeBalances'),
      openHolds: count('openHolds'),
      overdueHolds: count('overdueHolds'),
      doubleEnded: count('doubleEnded'),
    };
  }
}

function asUsage(row: Numeric<ReportedUsage>): ReportedUsage {
  return { job: row.job, provider: row.provider, promptTokens: Number(row.promptTokens), completionTokens: Number(row.completionTokens) };
}
