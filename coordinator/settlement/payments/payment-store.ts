import { join } from 'node:path';
import type { ClientBase, Pool } from 'pg';
import { loadStatements, query, transaction } from '#coordinator/sql.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';
import type { PayoutRecord } from '../core/payout.ts';
import type { Reversal } from '../core/reversal.ts';
import { retried } from '../database-work.ts';

const sql = loadStatements(join(import.meta.dirname, 'store'), [
  'list-payouts',
  'lock-payout',
  'lock-reversal',
  'open-payouts',
  'payout-by-operation',
  'pending-deposits',
  'save-dispute',
]);

const ADD_DEPOSIT = namedStatement('payments.add-deposit')`
  INSERT INTO deposits (id, account, operation, amount)
  VALUES (${'id'}, ${'account'}, ${'operation'}, ${'amount'})
  ON CONFLICT (account, operation) DO NOTHING`;

const DEPOSIT_BY_OPERATION = namedStatement<Stored<DepositRow>>('payments.deposit-by-operation')`
  SELECT id, account, amount, status, session, url FROM deposits
  WHERE account = ${'account'} AND operation = ${'operation'}`;

const SET_SESSION = namedStatement('payments.set-session')`
  UPDATE deposits SET session = ${'session'}, url = ${'url'}
  WHERE id = ${'id'} AND session IS NULL`;

const LOCK_DEPOSIT = namedStatement<Stored<DepositRow>>('payments.lock-deposit')`
  SELECT id, account, amount, status, session, url FROM deposits WHERE id = ${'id'} FOR UPDATE`;

const END_DEPOSIT = namedStatement('payments.end-deposit')`
  UPDATE deposits SET status = ${'status'}, session = coalesce(session, ${'session'})
  WHERE id = ${'id'}`;

const SAVE_REFUND = namedStatement('payments.save-refund')`
  UPDATE deposits SET refunded = ${'refunded'} WHERE id = ${'deposit'} AND refunded < ${'refunded'}
  RETURNING id`;

const SAVE_REVERSAL = namedStatement('payments.save-reversal')`
  UPDATE deposits
  SET reversed = ${'reversed'}, reversed_earned = ${'reversedEarned'}, owed = ${'owed'},
    reversals = ${'reversals'}
  WHERE id = ${'deposit'}`;

const OWED_DEPOSITS = namedStatement<{ id: string }>('payments.owed-deposits')`
  SELECT id FROM deposits WHERE account = ${'account'} AND owed > 0 ORDER BY id`;

/** Selects accounts that owe and have money again. */
const ACCOUNTS_THAT_CAN_PAY = namedStatement<{ account: string }>('payments.accounts-that-can-pay')`
  SELECT DISTINCT d.account FROM deposits d
  JOIN ledger_accounts l ON l.id = 'consumer:' || d.account
  WHERE d.owed > 0 AND l.balance > greatest(l.held, l.promotional) LIMIT ${'limit'}`;

const CONNECTED_ACCOUNT = namedStatement<{ stripeAccount: string; payouts: boolean }>(
  'payments.connected-account',
)`
  SELECT stripe_account AS "stripeAccount", payouts FROM connected_accounts
  WHERE account = ${'account'}`;

const ADD_CONNECTED_ACCOUNT = namedStatement('payments.add-connected-account')`
  INSERT INTO connected_accounts (account, stripe_account) VALUES (${'account'}, ${'stripeAccount'})
  ON CONFLICT DO NOTHING`;

const SAVE_CONNECTED_ACCOUNT = namedStatement('payments.save-connected-account')`
  UPDATE connected_accounts SET payouts = ${'payouts'}, told_at = ${'at'}
  WHERE stripe_account = ${'stripeAccount'} AND told_at <= ${'at'} RETURNING account`;

const ADD_PAYOUT = namedStatement('payments.add-payout')`
  INSERT INTO payouts (id, account, operation, amount, fee, instant, stripe_account)
  VALUES (${'id'}, ${'account'}, ${'operation'}, ${'amount'}, ${'fee'}, ${'instant'},
    ${'stripeAccount'})
  ON CONFLICT (account, operation) DO NOTHING RETURNING id`;

const SAVE_PAYOUT = namedStatement('payments.save-payout')`
  UPDATE payouts
  SET state = ${'state'}, returned = ${'returned'}, fee_returned = ${'feeReturned'},
    transfer = ${'transfer'}, stripe_payout = ${'stripePayout'}, generation = ${'generation'}
  WHERE id = ${'id'}`;

const CLEARING = namedStatement<Record<'ledger' | 'onTheWay', string>>('payments.clearing')`
  SELECT -balance AS ledger,
    (SELECT coalesce(sum(amount - fee), 0) FROM payouts WHERE state = 'pending') AS "onTheWay"
  FROM ledger_accounts WHERE id = 'external:stripe'`;

const LOCK_REPORT = namedStatement<{ lastId: string | null; cents: string }>(
  'payments.lock-report',
)`
  SELECT last_id AS "lastId", cents FROM stripe_report FOR UPDATE`;

const SAVE_REPORT = namedStatement('payments.save-report')`
  UPDATE stripe_report SET last_id = ${'lastId'}, cents = ${'cents'}`;

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
    await queryNamed(this.#database, ADD_DEPOSIT, {
      id: deposit.id,
      account: deposit.account,
      operation: deposit.operation,
      amount: deposit.amount,
    });
    const [row] = await queryNamed(this.#database, DEPOSIT_BY_OPERATION, {
      account: deposit.account,
      operation: deposit.operation,
    });
    if (row === undefined) throw new Error('the database returned no row for a new deposit');
    return asDeposit(row);
  }

  async setSession(id: string, session: string, url: string): Promise<void> {
    await queryNamed(this.#database, SET_SESSION, { id, session, url });
  }

  async lockDeposit(client: ClientBase, id: string): Promise<DepositRow | undefined> {
    return (await queryNamed(client, LOCK_DEPOSIT, { id })).map(asDeposit)[0];
  }

  async endDeposit(
    client: ClientBase,
    id: string,
    status: 'paid' | 'expired',
    session: string,
  ): Promise<void> {
    await queryNamed(client, END_DEPOSIT, { id, status, session });
  }

  /** Returns false when the event is a repetition, or older than what is already stored. */
  async saveDispute(client: ClientBase, dispute: DisputeRow): Promise<boolean> {
    const { id, deposit, account, amount, status, isInquiry } = dispute;
    const values = [id, deposit, account, amount, status, isInquiry];
    return (await query(client, sql['save-dispute'], values)).length === 1;
  }

  /** Returns false when as much or more is already stored as refunded. */
  async saveRefund(client: ClientBase, deposit: string, refunded: number): Promise<boolean> {
    return (await queryNamed(client, SAVE_REFUND, { deposit, refunded })).length === 1;
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
    await queryNamed(client, SAVE_REVERSAL, { deposit, reversed, reversedEarned, owed, reversals });
  }

  async owedDeposits(account: string): Promise<string[]> {
    const rows = await queryNamed(this.#database, OWED_DEPOSITS, { account });
    return rows.map(({ id }) => id);
  }

  async accountsThatCanPay(limit: number): Promise<string[]> {
    const rows = await queryNamed(this.#database, ACCOUNTS_THAT_CAN_PAY, { limit });
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
    return (await queryNamed(this.#database, CONNECTED_ACCOUNT, { account }))[0];
  }

  async addConnectedAccount(account: string, stripeAccount: string): Promise<void> {
    await queryNamed(this.#database, ADD_CONNECTED_ACCOUNT, { account, stripeAccount });
  }

  /** Returns false when the Stripe account is not one of ours, or when a newer event is stored. */
  async saveConnectedAccountState(
    stripeAccount: string,
    payouts: boolean,
    at: Date,
  ): Promise<boolean> {
    return (
      (await queryNamed(this.#database, SAVE_CONNECTED_ACCOUNT, { stripeAccount, payouts, at }))
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
        await queryNamed(client, ADD_PAYOUT, {
          id,
          account,
          operation,
          amount,
          fee,
          instant,
          stripeAccount,
        })
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
    await queryNamed(client, SAVE_PAYOUT, {
      id,
      state,
      returned,
      feeReturned,
      transfer,
      stripePayout,
      generation,
    });
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
    const [row] = await queryNamed(this.#database, CLEARING, {});
    return { ledger: Number(row?.ledger), onTheWay: Number(row?.onTheWay) };
  }

  async lockReport(client: ClientBase): Promise<{ lastId: string | null; cents: number }> {
    const [row] = await queryNamed(client, LOCK_REPORT, {});
    return { lastId: row?.lastId ?? null, cents: Number(row?.cents ?? 0) };
  }

  async saveReport(client: ClientBase, lastId: string, cents: number): Promise<void> {
    await queryNamed(client, SAVE_REPORT, { lastId, cents });
  }
}
