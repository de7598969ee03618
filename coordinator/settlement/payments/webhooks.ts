import Stripe from 'stripe';
import type { MessageOf, services } from '#bus-schemas';
import type { Deposits, EventOutcome } from './deposits.ts';
import type { PaymentStore } from './payment-store.ts';
import type { Payouts } from './payouts.ts';
import type { Reversals } from './reversals.ts';

type WebhookReply = MessageOf<typeof services.settlement.webhook.reply>;

export interface WebhooksOptions {
  readonly secret: string;
  readonly store: PaymentStore;
  readonly deposits: Deposits;
  readonly payouts: Payouts;
  readonly reversals: Reversals;
}

/**
 * Processes Stripe's events. Each may arrive several times, in any order, and before the row that
 * it concerns is stored.
 */
export class Webhooks {
  readonly #options: WebhooksOptions;

  constructor(options: WebhooksOptions) {
    this.#options = options;
  }

  async receive({
    body,
    signature,
  }: {
    body: Uint8Array;
    signature: string;
  }): Promise<WebhookReply> {
    let event: Stripe.Event;
    try {
      event = await Stripe.webhooks.constructEventAsync(
        Buffer.from(body),
        signature,
        this.#options.secret,
      );
    } catch (error) {
      return {
        ok: false,
        code:
          error instanceof Stripe.errors.StripeSignatureVerificationError
            ? 'bad_signature'
            : 'bad_event',
      };
    }
    const result = await this.#apply(event);
    return result === 'later' ? { ok: false, code: 'later' } : { ok: true, result };
  }

  async #apply(event: Stripe.Event): Promise<EventOutcome> {
    const { store, deposits, payouts, reversals } = this.#options;
    switch (event.type) {
      case 'checkout.session.completed':
      case 'checkout.session.async_payment_succeeded':
      case 'checkout.session.expired': {
        const session = event.data.object;
        const applied = await deposits.apply(session);
        // If the process crashes before this, the reconciliation collects the debt; until then
        // holds are refused.
        const account = session.metadata?.['account'];
        if (applied === 'applied' && account !== undefined) await reversals.collect(account);
        return applied;
      }
      case 'charge.dispute.created':
      case 'charge.dispute.funds_reinstated':
      case 'charge.dispute.funds_withdrawn':
      case 'charge.dispute.updated':
      case 'charge.dispute.closed':
        return reversals.dispute(event.data.object);
      case 'charge.refunded':
        return reversals.refund(event.data.object);
      case 'account.updated': {
        const { id, payouts_enabled } = event.data.object;
        return (await store.payouts.saveConnectedAccountState(
          id,
          payouts_enabled === true,
          new Date(event.created * 1_000),
        ))
          ? 'applied'
          : 'known';
      }
      case 'account.application.deauthorized':
        return (await store.payouts.disconnect(event.account ?? '')) ? 'applied' : 'known';
      case 'transfer.reversed': {
        const { metadata, reversed } = event.data.object;
        return reversed
          ? payouts.apply(metadata['payout'], { type: 'transfer_reversed' })
          : 'ignored';
      }
      case 'payout.paid':
        return payouts.apply(event.data.object.metadata?.['payout'], { type: 'payout_paid' });
      case 'payout.failed':
      case 'payout.canceled':
        return payouts.apply(event.data.object.metadata?.['payout'], { type: 'payout_failed' });
      default:
        return 'ignored';
    }
  }
}
