import type Stripe from 'stripe';
import { CENT } from '../core/payout.ts';
import type { PaymentStore } from './payment-store.ts';

const PAGE = 100;
/**
 * Transaction types that move the users' money. Stripe's own fees, and payouts to the bank of the
 * operator, do not.
 */
const USER_MONEY_TYPES = new Set([
  'charge',
  'payment',
  'refund',
  'payment_refund',
  'transfer',
  'transfer_refund',
]);

/**
 * Disputes are reported among other adjustments. The amount excludes Stripe's fee for the dispute:
 * the operator pays it, and it is not in the ledger.
 */
const DISPUTE_CATEGORIES = new Set(['dispute', 'dispute_reversal']);

/** Compares the balance transactions at Stripe with the ledger. */
export class StripeReport {
  readonly #stripe: Stripe;
  readonly #store: PaymentStore;

  constructor(stripe: Stripe, store: PaymentStore) {
    this.#stripe = stripe;
    this.#store = store;
  }

  /**
   * Micro-dollars that Stripe has in excess of the ledger and of the transfers that are still
   * pending.
   */
  async drift(): Promise<number> {
    const cents = await this.#read();
    const { ledger, onTheWay } = await this.#store.clearing();
    return cents * CENT - ledger - onTheWay;
  }

  /** Reads only the transactions since the last reading. */
  #read(): Promise<number> {
    return this.#store.transaction(async (client) => {
      const { lastId, cents } = await this.#store.lockReport(client);
      let sum = cents;
      let newest: string | undefined;
      const transactions = this.#stripe.balanceTransactions.list({ limit: PAGE });
      for await (const { id, type, amount, reporting_category } of transactions) {
        if (id === lastId) break;
        newest ??= id;
        if (USER_MONEY_TYPES.has(type) || DISPUTE_CATEGORIES.has(reporting_category)) sum += amount;
      }
      if (newest !== undefined) await this.#store.saveReport(client, newest, sum);
      return sum;
    });
  }
}
