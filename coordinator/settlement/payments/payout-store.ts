import type { ClientBase, Pool } from 'pg';
import { query } from '#coordinator/sql.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';
import type { PayoutRecord } from '../core/payout.ts';
import { type Stored, paymentStatements as sql } from './payment-statements.ts';

export interface PayoutRow extends PayoutRecord {
  readonly createdAt: Date;
}

const asPayout = (row: Stored<PayoutRow>): PayoutRow => ({
  ...row,
  amount: Number(row.amount),
  fee: Number(row.fee),
  generation: Number(row.generation),
});

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

const COUNT_DISCONNECTED = namedStatement<{ count: string }>('payments.count-disconnected')`
  SELECT count(*) FROM disconnected_accounts WHERE account = ${'account'}`;

const DISCONNECT = namedStatement<{ account: string }>('payments.disconnect')`
  WITH gone AS (
    DELETE FROM connected_accounts WHERE stripe_account = ${'stripeAccount'}
    RETURNING stripe_account, account
  )
  INSERT INTO disconnected_accounts (stripe_account, account) SELECT * FROM gone RETURNING account`;

const HAS_OPEN_PAYOUTS = namedStatement<{ open: boolean }>('payments.has-open-payouts')`
  SELECT EXISTS (
    SELECT FROM payouts WHERE account = ${'account'}
      AND (state = 'pending' OR (state = 'transferred' AND instant AND NOT fee_returned))
  ) AS open`;

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

const WAITING_PAYOUTS = namedStatement<Stored<PayoutRow> & { account: string }>(
  'payments.waiting-payouts',
)`
  SELECT id, account, amount, fee, instant, state, returned, fee_returned AS "feeReturned",
    stripe_account AS "stripeAccount", transfer, stripe_payout AS "stripePayout", generation,
    created_at AS "createdAt"
  FROM payouts
  WHERE state = 'pending' OR (state = 'transferred' AND instant AND NOT fee_returned)
  ORDER BY created_at LIMIT ${'limit'}`;

/** Stores withdrawals, and the Stripe accounts that receive them. */
export class PayoutStore {
  readonly #database: Pool;

  constructor(database: Pool) {
    this.#database = database;
  }

  async connectedAccount(
    account: string,
  ): Promise<{ stripeAccount: string; payouts: boolean } | undefined> {
    return (await queryNamed(this.#database, CONNECTED_ACCOUNT, { account }))[0];
  }

  async addConnectedAccount(account: string, stripeAccount: string): Promise<void> {
    await queryNamed(this.#database, ADD_CONNECTED_ACCOUNT, { account, stripeAccount });
  }

  /** Number of accounts at Stripe that the account has disconnected. */
  async disconnections(account: string): Promise<number> {
    const [row] = await queryNamed(this.#database, COUNT_DISCONNECTED, { account });
    return Number(row?.count ?? 0);
  }

  /** Returns false when the Stripe account is not one of ours. */
  async disconnect(stripeAccount: string): Promise<boolean> {
    return (await queryNamed(this.#database, DISCONNECT, { stripeAccount })).length === 1;
  }

  /** Whether money of the account is on its way to Stripe, or may come back from there. */
  async hasOpen(account: string): Promise<boolean> {
    return (await queryNamed(this.#database, HAS_OPEN_PAYOUTS, { account }))[0]?.open === true;
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
  async add(
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

  async byOperation(
    client: ClientBase,
    account: string,
    operation: string,
  ): Promise<PayoutRow | undefined> {
    return (
      await query<Stored<PayoutRow>>(client, sql['payout-by-operation'], [account, operation])
    ).map(asPayout)[0];
  }

  async lock(client: ClientBase, id: string): Promise<PayoutRow | undefined> {
    return (await query<Stored<PayoutRow>>(client, sql['lock-payout'], [id])).map(asPayout)[0];
  }

  async save(
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

  async open(olderThanMs: number, limit: number): Promise<PayoutRow[]> {
    return (
      await query<Stored<PayoutRow>>(this.#database, sql['open-payouts'], [olderThanMs, limit])
    ).map(asPayout);
  }

  /** The withdrawals that `open` selects, without asking Stripe about them again. */
  async waiting(limit: number): Promise<PayoutRow[]> {
    return (await queryNamed(this.#database, WAITING_PAYOUTS, { limit })).map(asPayout);
  }

  async list(account: string): Promise<PayoutRow[]> {
    return (await query<Stored<PayoutRow>>(this.#database, sql['list-payouts'], [account])).map(
      asPayout,
    );
  }
}
