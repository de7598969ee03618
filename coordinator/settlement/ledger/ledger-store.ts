import { join } from 'node:path';
import { DatabaseError, type Pool } from 'pg';
import {
  type AccountStatement,
  type AccountUsage,
  byName,
  definedByName,
  type Earnings,
  events,
  type KeyCaps,
  type KeySpending,
  SettlementPosted,
  SPENDING_WINDOWS,
  type SpendingWindow,
} from '#bus-schemas';
import { loadStatements, query, transaction } from '#coordinator/sql.ts';
import { onlineSince } from '../archive/online-since.ts';
import { MATURITY } from '../core/maturity.ts';
import type { FreeMoney } from '../core/reversal.ts';
import { pluck, retried } from '../database-work.ts';

const sql = loadStatements(join(import.meta.dirname, 'store'), [
  'add-owed',
  'balance',
  'earnings',
  'key-spending',
  'lifetime-earnings',
  'lock-account',
  'lock-free',
  'one-proof-at-a-time',
  'owed',
  'post',
  'put-key-caps',
  'statement',
  'usage',
  'verify',
]);

type AccountKind = 'consumer' | 'provider' | 'platform' | 'external';
export type PostingKind =
  | 'credit'
  | 'deposit'
  | 'withdrawal'
  | 'withdrawal_fee'
  | 'withdrawal_returned'
  | 'withdrawal_fee_returned'
  | 'payment_reversed'
  | 'payment_restored'
  | 'debt_paid'
  | 'reward';

export interface Entry {
  readonly account: string;
  readonly kind: AccountKind;
  readonly amount: number;
  /** The part of the amount that comes from, or goes to, the earned part of the balance. */
  readonly earned?: number;
}

export interface Posting {
  readonly operation: string;
  readonly kind: PostingKind;
  readonly digest: Buffer;
  readonly entries: readonly Entry[];
}

export interface Balance {
  readonly available: number;
  readonly held: number;
  /** The part of `available` that was given as credit; it can be spent but never withdrawn. */
  readonly promotional: number;
  /** What the account owes because Stripe has taken back a payment that was already spent. */
  readonly owed: number;
  /** The part of `available` that was earned and has matured. */
  readonly withdrawable: number;
  /** What was earned and has not matured, by the day on which it matures. */
  readonly maturing: readonly { readonly at: number; readonly amountMicroUsd: number }[];
}

/** The account, or its earned part, has less than the posting takes. */
export class InsufficientFundsError extends Error {
  readonly code = 'insufficient_funds';
}

const PROOFS = [
  'unbalancedTransactions',
  'driftedBalances',
  'negativeBalances',
  'openHolds',
  'overdueHolds',
  'orphanHolds',
  'overchargedReceipts',
  'doubleEnded',
  'parked',
  'newEntries',
] as const;
export type Proof = Record<(typeof PROOFS)[number], number>;

/** Whether all balances are the sums of their movements. Only then may a proof continue. */
export const isBalanced = ({
  unbalancedTransactions,
  driftedBalances,
  negativeBalances,
}: Proof): boolean => unbalancedTransactions + driftedBalances + negativeBalances === 0;

const FUNDS_CONSTRAINTS = new Set([
  'never_negative',
  'earned_is_there',
  'held_is_there',
  'promotional_is_there',
]);
/**
 * Limit of a proof in milliseconds. A full proof reads all movements: a million jobs took 82 s on a
 * busy machine.
 */
const PROOF_MS = 15 * 60_000;
const START = new Date(0);
const FOREVER = new Date(8.64e15 / 4);

/** Stores postings, reads balances and statements, and proves that both agree. */
export class LedgerStore {
  readonly #database: Pool;
  readonly #now: () => number;

  constructor(database: Pool, now: () => number) {
    this.#database = database;
    this.#now = now;
  }

  /**
   * Returns false if the operation was posted before with another digest, which is a conflict. With
   * a client, the posting is part of the client's transaction.
   */
  async post(
    posting: Posting,
    client: Parameters<typeof query>[0] = this.#database,
  ): Promise<boolean> {
    const { operation, kind, digest } = posting;
    const entries = posting.entries.map(({ earned = 0, ...entry }) => ({ ...entry, earned }));
    const fact = SettlementPosted.encode({
      operation,
      kind,
      at: this.#now(),
      entries: entries.map(({ account, amount, earned }) => ({
        account,
        amountMicroUsd: amount,
        earnedMicroUsd: earned,
      })),
    });
    const values = [
      operation,
      kind,
      digest,
      pluck(entries, 'account'),
      pluck(entries, 'kind'),
      pluck(entries, 'amount'),
      pluck(entries, 'earned'),
      events.settlementPosted,
      Buffer.from(fact),
    ];
    const post = () => query<{ posted: boolean; digest: Buffer }>(client, sql.post, values);
    try {
      const [row] = await (client === this.#database ? retried(post) : post());
      return row?.digest.equals(digest) === true;
    } catch (error) {
      if (error instanceof DatabaseError && FUNDS_CONSTRAINTS.has(error.constraint ?? ''))
        throw new InsufficientFundsError(operation, { cause: error });
      throw error;
    }
  }

  async balance(
    account: string,
    client: Parameters<typeof query>[0] = this.#database,
  ): Promise<Balance> {
    type Row = Record<'available' | 'held' | 'promotional' | 'owed' | 'withdrawable', string> &
      Pick<Balance, 'maturing'>;
    const { newAccountMs, newAccountWaitMs, waitMs } = MATURITY;
    const [row] = await query<Row>(client, sql.balance, [
      account,
      newAccountMs,
      newAccountWaitMs,
      waitMs,
    ]);
    if (row === undefined)
      return { available: 0, held: 0, promotional: 0, owed: 0, withdrawable: 0, maturing: [] };
    const { available, held, promotional, owed, withdrawable, maturing } = row;
    const amounts = {
      available: Number(available),
      held: Number(held),
      promotional: Number(promotional),
      owed: Number(owed),
    };
    return { ...amounts, withdrawable: Number(withdrawable), maturing };
  }

  /**
   * Returns what may be withdrawn now. Locks the account until the end of the transaction, so that
   * two withdrawals do not both count the same money.
   */
  async lockWithdrawable(account: string, client: Parameters<typeof query>[0]): Promise<number> {
    await query(client, sql['lock-account'], [account]);
    return (await this.balance(account, client)).withdrawable;
  }

  async owed(account: string): Promise<number> {
    const [row] = await query<{ owed: string }>(this.#database, sql.owed, [account]);
    return Number(row?.owed ?? 0);
  }

  /** Returns what can be taken from the account. Locks it until the end of the transaction. */
  async lockFree(account: string, client: Parameters<typeof query>[0]): Promise<FreeMoney> {
    const [row] = await query<Record<keyof FreeMoney, string>>(client, sql['lock-free'], [account]);
    return { free: Number(row?.free ?? 0), bought: Number(row?.bought ?? 0) };
  }

  /** Changes what the account owes. Settlement refuses holds for an account that owes. */
  async addOwed(
    account: string,
    amount: number,
    client: Parameters<typeof query>[0],
  ): Promise<void> {
    if (amount !== 0) await query(client, sql['add-owed'], [account, amount]);
  }

  /**
   * Returns the earnings by source within the window, and the total of all time. `account` is a
   * ledger account: a consumer's or a machine's.
   */
  async earnings(
    account: string,
    from: number | undefined,
    until: number | undefined,
  ): Promise<Earnings> {
    type Row = Record<'source' | 'jobs' | 'promptTokens' | 'completionTokens' | 'amount', string>;
    const window = [
      from === undefined ? START : new Date(from),
      until === undefined ? FOREVER : new Date(until),
    ];
    const rows = await query<Row>(this.#database, sql.earnings, [account, ...window]);
    const [lifetime] = await query<{ amount: string }>(this.#database, sql['lifetime-earnings'], [
      account,
    ]);
    return {
      lifetimeMicroUsd: Number(lifetime?.amount ?? 0),
      sources: rows.map(({ source, jobs, promptTokens, completionTokens, amount }) => ({
        source,
        jobs: Number(jobs),
        promptTokens: Number(promptTokens),
        completionTokens: Number(completionTokens),
        amountMicroUsd: Number(amount),
      })),
    };
  }

  async statement(page: {
    account: string;
    from?: number;
    until?: number;
    after?: string;
    limit: number;
  }): Promise<AccountStatement> {
    const { account, from, until, after, limit } = page;
    const [at, reference] = after === undefined ? [START.toISOString(), ''] : parseCursor(after);
    const window = [
      from === undefined ? START : new Date(from),
      until === undefined ? FOREVER : new Date(until),
    ];
    const rows = await query<StatementRow>(this.#database, sql.statement, [
      account,
      ...window,
      at,
      reference,
      limit,
    ]);
    const last = rows.at(-1);
    return {
      lines: rows.map(asLine),
      ...(await this.#onlineSince()),
      // The text has microseconds, which a Date would lose. The database has written it and reads
      // it again.
      ...(rows.length === limit && last && { next: `${last.exactAt} ${last.reference}` }),
    };
  }

  async usage(page: {
    account: string;
    job?: string;
    key?: string;
    model?: string;
    from?: number;
    until?: number;
    after?: string;
    limit: number;
  }): Promise<AccountUsage> {
    const { account, job, key, model, from, until, after, limit } = page;
    const [at, reference] = after === undefined ? ['infinity', ''] : parseCursor(after);
    const window = [
      from === undefined ? START : new Date(from),
      until === undefined ? FOREVER : new Date(until),
    ];
    const rows = await query<UsageRow>(this.#database, sql.usage, [
      account,
      key ?? null,
      model ?? null,
      ...window,
      at,
      reference,
      job ?? null,
      limit,
    ]);
    const last = rows.at(-1);
    return {
      jobs: rows.map(asUsage),
      ...(await this.#onlineSince()),
      ...(rows.length === limit && last && { next: `${last.exactAt} ${last.job}` }),
    };
  }

  async #onlineSince(): Promise<{ onlineSince?: number }> {
    const at = await onlineSince(this.#database);
    return at === undefined ? {} : { onlineSince: at };
  }

  /**
   * Returns the caps of keys and their spending in each window, the last used keys first. Keys that
   * were never used are left out.
   */
  async keySpending(account: string, key: string | undefined): Promise<KeySpending[]> {
    return (
      await query<KeySpendingRow>(this.#database, sql['key-spending'], [account, key ?? null])
    ).map(asKeySpending);
  }

  async putKeyCaps(
    key: string,
    account: string,
    caps: KeyCaps,
  ): Promise<Record<SpendingWindow, number>> {
    type Row = Record<SpendingWindow, string>;
    const values = [key, account, ...SPENDING_WINDOWS.map((window) => caps[window] ?? null)];
    const [row] = await retried(() =>
      transaction(this.#database, async (client) => {
        await query(client, sql['lock-account'], [account]);
        return query<Row>(client, sql['put-key-caps'], values);
      }),
    );
    return byName(SPENDING_WINDOWS, (window) => Number(row?.[window]));
  }

  /** Checks what was written since the last proof; with `full`, everything. */
  async verify(full: boolean): Promise<Proof> {
    const [row] = await transaction(this.#database, async (client) => {
      // A proof continues from the one before it, so it must not begin before that one is written.
      await query(client, { ...sql['one-proof-at-a-time'], query_timeout: PROOF_MS });
      return query<Record<keyof Proof, string>>(
        client,
        { ...sql.verify, query_timeout: PROOF_MS },
        [full],
      );
    });
    return Object.fromEntries(PROOFS.map((name) => [name, Number(row?.[name])])) as Proof;
  }
}

interface StatementRow {
  readonly at: Date;
  readonly exactAt: string;
  readonly kind: string;
  readonly reference: string;
  readonly amount: string;
  readonly promotional: string;
  readonly model: string | null;
  readonly key: string | null;
  readonly promptTokens: string | null;
  readonly completionTokens: string | null;
}

function asLine(row: StatementRow): AccountStatement['lines'][number] {
  const { at, kind, reference, amount, promotional, model, key, promptTokens, completionTokens } =
    row;
  return {
    at: at.getTime(),
    kind,
    reference,
    amountMicroUsd: Number(amount),
    ...(Number(promotional) !== 0 && { promotionalMicroUsd: Number(promotional) }),
    ...(model !== null && { model }),
    ...(key !== null && { key }),
    ...(promptTokens !== null && { promptTokens: Number(promptTokens) }),
    ...(completionTokens !== null && { completionTokens: Number(completionTokens) }),
  };
}

interface UsageRow {
  readonly job: string;
  readonly at: Date;
  readonly exactAt: string;
  readonly key: string;
  readonly model: string;
  readonly provider: string | null;
  readonly outcome: 'settled' | 'refunded' | 'void';
  readonly promptTokens: string;
  readonly cachedTokens: string;
  readonly completionTokens: string;
  readonly held: string;
  readonly charged: string;
  readonly ingressLost: boolean;
}

function asUsage({
  job,
  at,
  key,
  model,
  provider,
  outcome,
  promptTokens,
  cachedTokens,
  completionTokens,
  held,
  charged,
  ingressLost,
}: UsageRow): AccountUsage['jobs'][number] {
  return {
    job,
    at: at.getTime(),
    key,
    model,
    outcome,
    heldMicroUsd: Number(held),
    chargedMicroUsd: Number(charged),
    promptTokens: Number(promptTokens),
    cachedTokens: Number(cachedTokens),
    completionTokens: Number(completionTokens),
    ...(provider !== null && { provider }),
    ...(ingressLost && { ingressLost }),
  };
}

/**
 * Time and name of the last row of a page. A name may contain spaces, because operators choose the
 * names of their credits.
 */
function parseCursor(after: string): [string, string] {
  const end = after.indexOf(' ');
  return [after.slice(0, end), after.slice(end + 1)];
}

type KeySpendingRow = { readonly key: string } & Readonly<Record<SpendingWindow, string>> &
  Readonly<Record<`${SpendingWindow}Cap`, string | null>>;

function asKeySpending(row: KeySpendingRow): KeySpending {
  return {
    key: row.key,
    caps: definedByName(SPENDING_WINDOWS, (window) => {
      const cap = row[`${window}Cap`];
      return cap === null ? undefined : Number(cap);
    }),
    used: byName(SPENDING_WINDOWS, (window) => Number(row[window])),
  };
}
