import { join } from 'node:path';
import type { ClientBase, Pool } from 'pg';
import { loadStatements, query, transaction } from '#coordinator/sql.ts';
import type { PayoutRecord } from '../core/payout.ts';
import type { Reversal } from '../core/reversal.ts';
import { retried } from '../database-work.ts';

const sql = loadStatements(join(import.meta.dirname, 'store'), [
  'accounts-that-can-pay',
  'add-connected-account',
  'add-deposit',
  'add-payout',
  'clearing',
  'connected-account',
  'save-connected-account',
  'deposit-by-operation',
  'end-deposit',
  'list-payouts',
  'lock-deposit',
  'lock-payout',
  'lock-report',
  'lock-reversal',
  'open-payouts',
  'owed-deposits',
  'payout-by-operation',
  'pending-deposits',
  'save-dispute',
  'save-payout',
  'save-refund',
  'save-report',
  'save-reversal',
  'set-session',
]);

export interface DepositRow {
  readonly id: string;
  readonly account: string;
  readonly amount: number;
  readonly status: 'pending' | 'paid' | 'expired';
  readonly session: string | null;
  readonly url: string | null;
}

export interface DisputeRow {
  readonly id: string;
  readonly deposit: string;
  readonly account: string;
  readonly amount: number;
  readonly status: 'open' | 'won' | 'lost';
  /** The bank has only asked for information, and has not taken money back. */
  readonly isInquiry: boolean;
}

export interface ReversalRow extends Reversal {
  readonly account: string;
  /** Number of changes so far. */
  readonly reversals: number;
  /** What Stripe has taken back of the deposit according to its events; at most the deposit. */
  readonly takenBack: number;
}

export interface PayoutRow extends PayoutRecord {
  readonly createdAt: Date;
}

type Stored<Row> = {
  [Field in keyof Row]: Row[Field] extends number ? string | number : Row[Field];
};
const asDeposit = (row: Stored<DepositRow>): DepositRow => ({ ...row, amount: Number(row.amount) });
const asPayout = (row: Stored<PayoutRow>): PayoutRow => ({
  ...row,
  amount: Number(row.amount),
  fee: Number(row.fee),
  generation: Number(row.generation),
});

/** Stores the requests to Stripe, and the state that Stripe has reported for each. */
export class PaymentStore {
  readonly #database: Pool;

  constructor(database: Pool) {
    this.#database = database;
  }

  transaction<T>(work: (client: ClientBase) => Promise<T>): Promise<T> {
    return retried(() => transaction(this.#database, work));
  }

  /** Returns the deposit of this operation: the stored one if there is one, or else this one. */
  async openDeposit(deposit: {
    id: string;
    account: string;
    operation: string;
    amount: number;
  }): Promise<DepositRow> {
    await query(this.#database, sql['add-deposit'], [
      deposit.id,
      deposit.account,
      deposit.operation,
      deposit.amount,
    ]);
    const [row] = await query<Stored<DepositRow>>(this.#database, sql['deposit-by-operation'], [
      deposit.account,
      deposit.operation,
    ]);
    if (row === undefined) throw new Error('the database returned no row for a new deposit');
    return asDeposit(row);
  }

  async setSession(id: string, session: string, url: string): Promise<void> {
    await query(this.#database, sql['set-session'], [id, session, url]);
  }

  async lockDeposit(client: ClientBase, id: string): Promise<DepositRow | undefined> {
    return (await query<Stored<DepositRow>>(client, sql['lock-deposit'], [id])).map(asDeposit)[0];
  }

  async endDeposit(
    client: ClientBase,
    id: string,
    status: 'paid' | 'expired',
    session: string,
  ): Promise<void> {
    await query(client, sql['end-deposit'], [id, status, session]);
  }

  /** Returns false when the event is a repetition, or older than what is already stored. */
  async saveDispute(client: ClientBase, dispute: DisputeRow): Promise<boolean> {
    const { id, deposit, account, amount, status, isInquiry } = dispute;
    const values = [id, deposit, account, amount, status, isInquiry];
    return (await query(client, sql['save-dispute'], values)).length === 1;
  }

  /** Returns false when as much or more is already stored as refunded. */
  async saveRefund(client: ClientBase, deposit: string, refunded: number): Promise<boolean> {
    return (await query(client, sql['save-refund'], [deposit, refunded])).length === 1;
  }

  async lockReversal(client: ClientBase, deposit: string): Promise<ReversalRow | undefined> {
    const [row] = await query<Stored<ReversalRow>>(client, sql['lock-reversal'], [deposit]);
    return (
      row && {
        account: row.account,
        reversed: Number(row.reversed),
        reversedEarned: Number(row.reversedEarned),
        owed: Number(row.owed),
        reversals: Number(row.reversals),
        takenBack: Number(row.takenBack),
      }
    );
  }

  async saveReversal(
    client: ClientBase,
    deposit: string,
    { reversed, reversedEarned, owed, reversals }: Reversal & Pick<ReversalRow, 'reversals'>,
  ): Promise<void> {
    const values = [deposit, reversed, reversedEarned, owed, reversals];
    await query(client, sql['save-reversal'], values);
  }

  async owedDeposits(account: string): Promise<string[]> {
    const rows = await query<{ id: string }>(this.#database, sql['owed-deposits'], [account]);
    return rows.map(({ id }) => id);
  }

  async accountsThatCanPay(limit: number): Promise<string[]> {
    const rows = await query<{ account: string }>(this.#database, sql['accounts-that-can-pay'], [
      limit,
    ]);
    return rows.map(({ account }) => account);
  }

  async pendingDeposits(olderThanMs: number, limit: number): Promise<DepositRow[]> {
    return (
      await query<Stored<DepositRow>>(this.#database, sql['pending-deposits'], [olderThanMs, limit])
    ).map(asDeposit);
  }

  async connectedAccount(
    account: string,
  ): Promise<{ stripeAccount: string; payouts: boolean } | undefined> {
    return (
      await query<{ stripeAccount: string; payouts: boolean }>(
        this.#database,
        sql['connected-account'],
        [account],
      )
    )[0];
  }

  async addConnectedAccount(account: string, stripeAccount: string): Promise<void> {
    await query(this.#database, sql['add-connected-account'], [account, stripeAccount]);
  }

  /** Returns false when the Stripe account is not one of ours, or when a newer event is stored. */
  async saveConnectedAccountState(
    stripeAccount: string,
    payouts: boolean,
    at: Date,
  ): Promise<boolean> {
    return (
      (await query(this.#database, sql['save-connected-account'], [stripeAccount, payouts, at]))
        .length === 1
    );
  }

  /** Returns false when the account already has a withdrawal of this operation. */
  async addPayout(
    client: ClientBase,
    payout: Omit<PayoutRow, 'state' | 'createdAt'> & { operation: string },
  ): Promise<boolean> {
    const { id, account, operation, amount, fee, instant, stripeAccount } = payout;
    return (
      (
        await query(client, sql['add-payout'], [
          id,
          account,
          operation,
          amount,
          fee,
          instant,
          stripeAccount,
        ])
      ).length === 1
    );
  }

  async payoutByOperation(
    client: ClientBase,
    account: string,
    operation: string,
  ): Promise<PayoutRow | undefined> {
    return (
      await query<Stored<PayoutRow>>(client, sql['payout-by-operation'], [account, operation])
    ).map(asPayout)[0];
  }

  async lockPayout(client: ClientBase, id: string): Promise<PayoutRow | undefined> {
    return (await query<Stored<PayoutRow>>(client, sql['lock-payout'], [id])).map(asPayout)[0];
  }

  async savePayout(
    client: ClientBase,
    { id, state, returned, feeReturned, transfer, stripePayout, generation }: PayoutRecord,
  ): Promise<void> {
    await query(client, sql['save-payout'], [
      id,
      state,
      returned,
      feeReturned,
      transfer,
      stripePayout,
      generation,
    ]);
  }

  async openPayouts(olderThanMs: number, limit: number): Promise<PayoutRow[]> {
    return (
      await query<Stored<PayoutRow>>(this.#database, sql['open-payouts'], [olderThanMs, limit])
    ).map(asPayout);
  }

  async listPayouts(account: string): Promise<PayoutRow[]> {
    return (await query<Stored<PayoutRow>>(this.#database, sql['list-payouts'], [account])).map(
      asPayout,
    );
  }

  /**
   * What Stripe should have according to the ledger, and what was debited from accounts but not yet
   * transferred by Stripe.
   */
  async clearing(): Promise<{ ledger: number; onTheWay: number }> {
    const [row] = await query<Record<'ledger' | 'onTheWay', string>>(this.#database, sql.clearing);
    return { ledger: Number(row?.ledger), onTheWay: Number(row?.onTheWay) };
  }

  async lockReport(client: ClientBase): Promise<{ lastId: string | null; cents: number }> {
    const [row] = await query<{ lastId: string | null; cents: string }>(client, sql['lock-report']);
    return { lastId: row?.lastId ?? null, cents: Number(row?.cents ?? 0) };
  }

  async saveReport(client: ClientBase, lastId: string, cents: number): Promise<void> {
    await query(client, sql['save-report'], [lastId, cents]);
  }
}
