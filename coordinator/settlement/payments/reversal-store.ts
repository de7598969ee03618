import type { ClientBase, Pool } from 'pg';
import { query } from '#coordinator/sql.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';
import type { Reversal } from '../core/reversal.ts';
import { type Stored, paymentStatements as sql } from './payment-statements.ts';

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

/** Stores refunds and disputes of deposits, and what the ledger has taken back for them. */
export class ReversalStore {
  readonly #database: Pool;

  constructor(database: Pool) {
    this.#database = database;
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

  async lock(client: ClientBase, deposit: string): Promise<ReversalRow | undefined> {
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

  async save(
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
}
