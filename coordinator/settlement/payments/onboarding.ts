import type Stripe from 'stripe';
import type { MessageOf, services } from '#bus-schemas';
import type { PaymentStore } from './payment-store.ts';
import { failureOf } from './stripe-client.ts';

type Methods = typeof services.settlement;

/**
 * Registers a person who owns machines with Stripe, so that Stripe can pay them. Each of our
 * accounts gets one account at Stripe, however often the registration is begun.
 */
export class Onboarding {
  readonly #stripe: Stripe;
  readonly #store: PaymentStore;

  constructor(stripe: Stripe, store: PaymentStore) {
    this.#stripe = stripe;
    this.#store = store;
  }

  async begin({
    account,
    refreshUrl,
    returnUrl,
  }: MessageOf<Methods['onboard']['request']>): Promise<MessageOf<Methods['onboard']['reply']>> {
    try {
      const { url } = await this.#stripe.accountLinks.create({
        account: await this.#stripeAccount(account),
        type: 'account_onboarding',
        refresh_url: refreshUrl,
        return_url: returnUrl,
      });
      return { ok: true, url };
    } catch (error) {
      failureOf(error);
      return { ok: false, code: 'unavailable' };
    }
  }

  async #stripeAccount(account: string): Promise<string> {
    const known = await this.#store.payouts.connectedAccount(account);
    if (known !== undefined) return known.stripeAccount;
    const made = await this.#stripe.accounts.create(
      { type: 'express', metadata: { account }, capabilities: { transfers: { requested: true } } },
      { idempotencyKey: await this.#nameOfRegistration(account) },
    );
    await this.#store.payouts.addConnectedAccount(account, made.id);
    return (await this.#store.payouts.connectedAccount(account))?.stripeAccount ?? made.id;
  }

  /** After a disconnection a new name: Stripe would answer the old one with the deleted account. */
  async #nameOfRegistration(account: string): Promise<string> {
    const earlier = await this.#store.payouts.disconnections(account);
    return earlier === 0 ? `connect-${account}` : `connect-${account}-${earlier + 1}`;
  }
}
