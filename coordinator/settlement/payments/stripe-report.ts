import type Stripe from 'stripe';
import { CENT } from '../core/payout.ts';
import type { PaymentStore } from './payment-store.ts';

const PAGE = 100;
/** Stripe's own fees and what its bank pays out to us are not the users' money. */
const OURS = new Set([
  'charge',
  'payment',
  'refund',
  'payment_refund',
  'transfer',
  'transfer_refund',
]);

/**
 * A dispute is an `adjustment` among others. Stripe's fee for it is not in the amount: the operator
 * bears it, and the books do not have it.
 */
const DISPUTED = new Set(['dispute', 'dispute_reversal']);

/** Stripe's own account of the money, against ours. */
export class StripeReport {
  readonly #stripe: Stripe;
  readonly #store: PaymentStore;

  constructor(stripe: Stripe, store: PaymentStore) {
    this.#stripe = stripe;
    this.#store = store;
  }

  /** Micro-dollars that Stripe has more than our books and what is on its way account for. */
  async drift(): Promise<number> {
    const cents = await this.#read();
    const { ledger, onTheWay } = await this.#store.clearing();
    return cents * CENT - ledger - onTheWay;
  }

  /** Only what is new since the last time is read. */
  #read(): Promise<number> {
    return this.#store.transaction(async (client) => {
      const { lastId, cents } = await this.#store.lockReport(client);
      let sum = cents;
      let newest: string | undefined;
      const transactions = this.#stripe.balanceTransactions.list({ limit: PAGE });
      for await (const { id, type, amount, reporting_category } of transactions) {
        if (id === lastId) break;
        newest ??= id;
        if (OURS.has(type) || DISPUTED.has(reporting_category)) sum += amount;
      }
      if (newest !== undefined) await this.#store.saveReport(client, newest, sum);
      return sum;
    });
  }
}
