import type Stripe from 'stripe';
import { CENT } from '../core/payout.ts';
import type { LedgerStore } from '../ledger/ledger-store.ts';
import type { Applied, Deposits } from './deposits.ts';
import type { DisputeRow, PaymentStore } from './payment-store.ts';
import { failureOf } from './stripe-client.ts';

export interface DisputesOptions {
  readonly stripe: Stripe;
  readonly store: PaymentStore;
  readonly ledger: LedgerStore;
  readonly deposits: Deposits;
}

/**
 * Disputes of deposits. An account can withdraw nothing while one is open, and the amount of a lost
 * one stays out of what it can withdraw (decision 0041).
 */
export class Disputes {
  readonly #options: DisputesOptions;

  constructor(options: DisputesOptions) {
    this.#options = options;
  }

  async apply(dispute: Stripe.Dispute): Promise<Applied> {
    const { stripe, store, ledger, deposits } = this.#options;
    const intent = dispute.payment_intent;
    if (intent === null || dispute.amount < 1) return 'ignored';
    let session: Stripe.Checkout.Session | undefined;
    try {
      const payment_intent = typeof intent === 'string' ? intent : intent.id;
      ({
        data: [session],
      } = await stripe.checkout.sessions.list({ payment_intent, limit: 1 }));
    } catch (error) {
      failureOf(error);
      return 'later';
    }
    const id = session?.metadata?.['deposit'];
    if (session === undefined || id === undefined) return 'ignored';
    // The dispute may arrive before the event of its own deposit.
    await deposits.apply(session);
    return store.transaction(async (client) => {
      const deposit = await store.lockDeposit(client, id);
      if (deposit === undefined) return 'later';
      if (deposit.status !== 'paid' || deposit.session !== session.id) return 'ignored';
      const { account } = deposit;
      // A withdrawal locks the account too, so none can read the balance before this and debit after.
      await ledger.lockWithdrawable(account, client);
      const isNew = await store.saveDispute(client, {
        id: dispute.id,
        deposit: id,
        account,
        amount: dispute.amount * CENT,
        status: statusOf(dispute.status),
      });
      return isNew ? 'applied' : 'known';
    });
  }
}

/** An inquiry that a bank closed without a dispute is treated as won. */
function statusOf(status: Stripe.Dispute.Status): DisputeRow['status'] {
  if (status === 'lost') return 'lost';
  return status === 'won' || status === 'warning_closed' ? 'won' : 'open';
}
