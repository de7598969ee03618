import { join } from 'node:path';
import { DatabaseError, type Pool } from 'pg';
import { events, SettlementPosted } from '#bus-schemas';
import { CodedError } from '#bus-schemas/coded-error.ts';
import { loadStatements, query, transaction } from '#coordinator/sql.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';
import { MATURITY } from '../core/maturity.ts';
import type { FreeMoney } from '../core/reversal.ts';
import { pluck, retried } from '../database-work.ts';

const sql = loadStatements(join(import.meta.dirname, 'store'), ['balance', 'verify']);

const POST = namedStatement<{ posted: boolean; digest: Buffer }>('ledger.post')`
  SELECT posted, digest
  FROM ledger_post(${'operation'}, ${'kind'}, ${'digest'}, ${'accounts'}, ${'kinds'}, ${'amounts'},
    ${'earned'}, ${'subject'}, ${'fact'})`;

/** Returns false if the operation was posted before with another digest. */
async function postWithNote(
  client: Parameters<typeof query>[0],
  values: Readonly<Record<(typeof POST.parameters)[number], unknown>>,
  { operation, digest, note }: Posting,
): Promise<boolean> {
  const [row] = await queryNamed(client, POST, values);
  const isPosted = row?.digest.equals(digest) === true;
  if (isPosted && note !== undefined) await queryNamed(client, ADD_NOTE, { operation, note });
  return isPosted;
}

const ADD_NOTE = namedStatement('ledger.add-note')`
  INSERT INTO posting_notes (operation, note) VALUES (${'operation'}, ${'note'})
  ON CONFLICT (operation) DO NOTHING`;

const OWED = namedStatement<{ owed: string }>('ledger.owed')`
  SELECT owed FROM ledger_accounts WHERE id = 'consumer:' || ${'account'}`;

/**
 * Selects what can be taken from an account: without money held for jobs and without promotional
 * credit.
 */
const LOCK_FREE = namedStatement<Record<keyof FreeMoney, string>>('ledger.lock-free')`
  SELECT greatest(0, least(balance - held, balance - promotional)) AS free,
    balance - earned - promotional AS bought
  FROM ledger_accounts WHERE id = 'consumer:' || ${'account'} FOR UPDATE`;

const ADD_OWED = namedStatement('ledger.add-owed')`
  UPDATE ledger_accounts SET owed = owed + ${'amount'} WHERE id = 'consumer:' || ${'account'}`;

const ONE_PROOF_AT_A_TIME = namedStatement('ledger.one-proof-at-a-time')`
  SELECT pg_advisory_xact_lock(4711002)`;

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
  | 'reward'
  | 'reward_fund'
  | 'reward_day'
  | 'base_reward'
  | 'promotion';

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
  /** A sentence that the account sees beside the amount. */
  readonly note?: string | undefined;
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
export class InsufficientFundsError extends CodedError<'insufficient_funds'> {
  constructor(message: string, options?: ErrorOptions) {
    super('insufficient_funds', message, options);
  }
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
export type LedgerProof = Record<(typeof PROOFS)[number], number>;

/** Whether all balances are the sums of their movements. Only then may a proof continue. */
export const isBalanced = ({
  unbalancedTransactions,
  driftedBalances,
  negativeBalances,
}: LedgerProof): boolean => unbalancedTransactions + driftedBalances + negativeBalances === 0;

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

const LOCK_ACCOUNT = namedStatement('ledger.lock-account')`
  SELECT 1 FROM ledger_accounts WHERE id = 'consumer:' || ${'account'} FOR UPDATE`;

/** Locks the account until the end of the transaction of `client`. */
export async function lockAccount(
  client: Parameters<typeof query>[0],
  account: string,
): Promise<void> {
  await queryNamed(client, LOCK_ACCOUNT, { account });
}

/** Stores postings, reads balances, and proves that the ledger is consistent. */
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
    const values = {
      operation,
      kind,
      digest,
      accounts: pluck(entries, 'account'),
      kinds: pluck(entries, 'kind'),
      amounts: pluck(entries, 'amount'),
      earned: pluck(entries, 'earned'),
      subject: events.settlementPosted,
      fact: Buffer.from(fact),
    };
    const post = () =>
      client === this.#database && posting.note !== undefined
        ? transaction(this.#database, (own) => postWithNote(own, values, posting))
        : postWithNote(client, values, posting);
    try {
      return await (client === this.#database ? retried(post) : post());
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
    await lockAccount(client, account);
    return (await this.balance(account, client)).withdrawable;
  }

  async owed(account: string): Promise<number> {
    const [row] = await queryNamed(this.#database, OWED, { account });
    return Number(row?.owed ?? 0);
  }

  /** Returns what can be taken from the account. Locks it until the end of the transaction. */
  async lockFree(account: string, client: Parameters<typeof query>[0]): Promise<FreeMoney> {
    const [row] = await queryNamed(client, LOCK_FREE, { account });
    return { free: Number(row?.free ?? 0), bought: Number(row?.bought ?? 0) };
  }

  /** Changes what the account owes. Settlement refuses holds for an account that owes. */
  async addOwed(
    account: string,
    amount: number,
    client: Parameters<typeof query>[0],
  ): Promise<void> {
    if (amount !== 0) await queryNamed(client, ADD_OWED, { account, amount });
  }

  /** Checks what was written since the last proof; with `full`, everything. */
  async verify(full: boolean): Promise<LedgerProof> {
    const [row] = await transaction(this.#database, async (client) => {
      // A proof continues from the one before it, so it must not begin before that one is written.
      await queryNamed(client, { ...ONE_PROOF_AT_A_TIME, query_timeout: PROOF_MS }, {});
      return query<Record<keyof LedgerProof, string>>(
        client,
        { ...sql.verify, query_timeout: PROOF_MS },
        [full],
      );
    });
    return Object.fromEntries(PROOFS.map((name) => [name, Number(row?.[name])])) as LedgerProof;
  }
}
