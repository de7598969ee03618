import type { ClientBase, Pool } from 'pg';
import { transaction } from '#coordinator/sql.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';
import { retried } from '../database-work.ts';
import { DepositStore } from './deposit-store.ts';
import { PayoutStore } from './payout-store.ts';
import { ReversalStore } from './reversal-store.ts';

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

/** Stores the requests to Stripe, and the state that Stripe has reported for each. */
export class PaymentStore {
  readonly deposits: DepositStore;
  readonly reversals: ReversalStore;
  readonly payouts: PayoutStore;
  readonly #database: Pool;

  constructor(database: Pool) {
    this.deposits = new DepositStore(database);
    this.reversals = new ReversalStore(database);
    this.payouts = new PayoutStore(database);
    this.#database = database;
  }

  transaction<T>(work: (client: ClientBase) => Promise<T>): Promise<T> {
    return retried(() => transaction(this.#database, work));
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
