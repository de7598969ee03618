import type Stripe from 'stripe';
import { type Deposit, MAX_SHOWN_DEPOSITS, type MessageOf, type services } from '#bus-schemas';
import type { PaymentStore } from './payment-store.ts';
import { failureOf } from './stripe-client.ts';

type Methods = typeof services.settlement;
type Receipt = MessageOf<Methods['depositReceipt']['reply']>;

/** What a person sees of the payments with which they bought credit. */
export class DepositReceipts {
  readonly #stripe: Stripe;
  readonly #store: PaymentStore;

  constructor(stripe: Stripe, store: PaymentStore) {
    this.#stripe = stripe;
    this.#store = store;
  }

  list(account: string): Promise<Deposit[]> {
    return this.#store.deposits.shown(account, MAX_SHOWN_DEPOSITS);
  }

  /** The receipt of a paid deposit, with the address of Stripe's own receipt. */
  async read({
    account,
    deposit: id,
  }: MessageOf<Methods['depositReceipt']['request']>): Promise<Receipt> {
    const found = await this.#store.deposits.paid(account, id);
    if (found === undefined) return { ok: false, code: 'unknown' };
    try {
      const { payment_intent: payment } = await this.#stripe.checkout.sessions.retrieve(
        found.session,
        { expand: ['payment_intent.latest_charge'] },
      );
      const receiptUrl = receiptOf(payment);
      return {
        ok: true,
        deposit: found.deposit,
        payment: typeof payment === 'string' ? payment : (payment?.id ?? found.session),
        ...(receiptUrl?.startsWith('https://') && { receiptUrl }),
      };
    } catch (error) {
      failureOf(error);
      return { ok: false, code: 'unavailable' };
    }
  }
}

function receiptOf(payment: Stripe.Checkout.Session['payment_intent']): string | undefined {
  const charge = payment === null || typeof payment === 'string' ? null : payment.latest_charge;
  return charge === null || typeof charge === 'string'
    ? undefined
    : (charge.receipt_url ?? undefined);
}
