import type { ClientBase, Pool } from 'pg';
import type { Deposit } from '#bus-schemas';
import { query } from '#coordinator/sql.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';
import { type Stored, paymentStatements as sql } from './payment-statements.ts';

export interface DepositRow {
  readonly id: string;
  readonly account: string;
  readonly amount: number;
  readonly status: 'pending' | 'paid' | 'expired';
  readonly session: string | null;
  readonly url: string | null;
}

const asDeposit = (row: Stored<DepositRow>): DepositRow => ({ ...row, amount: Number(row.amount) });

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

interface ShownDeposit {
  readonly id: string;
  readonly at: Date;
  readonly amount: string;
  readonly reversed: string;
  readonly status: DepositRow['status'];
  readonly session: string | null;
}

const SHOWN_DEPOSITS = namedStatement<ShownDeposit>('payments.shown-deposits')`
  SELECT d.id, coalesce(t.at, d.created_at) AS at, d.amount, d.reversed, d.status, d.session
  FROM deposits d LEFT JOIN ledger_transactions t ON t.operation = 'deposit:' || d.session
  WHERE d.account = ${'account'} ORDER BY d.created_at DESC, d.id LIMIT ${'limit'}`;

const PAID_DEPOSIT = namedStatement<ShownDeposit>('payments.paid-deposit')`
  SELECT d.id, t.at, d.amount, d.reversed, d.status, d.session
  FROM deposits d JOIN ledger_transactions t ON t.operation = 'deposit:' || d.session
  WHERE d.id = ${'id'} AND d.account = ${'account'} AND d.status = 'paid'`;

const asShown = ({ id, at, amount, reversed, status }: ShownDeposit): Deposit => ({
  deposit: id,
  at: at.getTime(),
  amountMicroUsd: Number(amount),
  returnedMicroUsd: Number(reversed),
  state: status,
});

/** Stores payments of customers, from the order until Stripe reports that they were paid. */
export class DepositStore {
  readonly #database: Pool;

  constructor(database: Pool) {
    this.#database = database;
  }

  /** Returns the deposit of this operation: the stored one if there is one, or else this one. */
  async open(deposit: {
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

  async lock(client: ClientBase, id: string): Promise<DepositRow | undefined> {
    return (await queryNamed(client, LOCK_DEPOSIT, { id })).map(asDeposit)[0];
  }

  async end(
    client: ClientBase,
    id: string,
    status: 'paid' | 'expired',
    session: string,
  ): Promise<void> {
    await queryNamed(client, END_DEPOSIT, { id, status, session });
  }

  async shown(account: string, limit: number): Promise<Deposit[]> {
    return (await queryNamed(this.#database, SHOWN_DEPOSITS, { account, limit })).map(asShown);
  }

  /** The deposit and its session, if it was paid by this account. */
  async paid(
    account: string,
    id: string,
  ): Promise<{ deposit: Deposit; session: string } | undefined> {
    const [row] = await queryNamed(this.#database, PAID_DEPOSIT, { id, account });
    if (row === undefined || row.session === null) return undefined;
    return { deposit: asShown(row), session: row.session };
  }

  async pending(olderThanMs: number, limit: number): Promise<DepositRow[]> {
    return (
      await query<Stored<DepositRow>>(this.#database, sql['pending-deposits'], [olderThanMs, limit])
    ).map(asDeposit);
  }
}
