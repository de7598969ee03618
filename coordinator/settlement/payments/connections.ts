import type Stripe from 'stripe';
import type { MessageOf, StripeConnection, services } from '#bus-schemas';
import { payoutTerms } from '../core/payout.ts';
import type { PaymentStore } from './payment-store.ts';
import { failureOf } from './stripe-client.ts';

type Methods = typeof services.settlement;
type Request<Name extends keyof Methods> = MessageOf<Methods[Name]['request']>;
type Reply<Name extends keyof Methods> = MessageOf<Methods[Name]['reply']>;

const MAX_MISSING = 64;
const MAX_TEXT = 200;

/** What a person sees and can open of their account at Stripe. */
export class Connections {
  readonly #stripe: Stripe;
  readonly #store: PaymentStore;

  constructor(stripe: Stripe, store: PaymentStore) {
    this.#stripe = stripe;
    this.#store = store;
  }

  async read({ account }: Request<'connection'>): Promise<Reply<'connection'>> {
    const known = await this.#store.payouts.connectedAccount(account);
    if (known === undefined) return { ok: true, connection: { state: 'none', missing: [] } };
    try {
      const found = await this.#stripe.accounts.retrieve(known.stripeAccount);
      return { ok: true, connection: connectionOf(found) };
    } catch (error) {
      failureOf(error);
      return { ok: false, code: 'unavailable' };
    }
  }

  /**
   * Deletes the account at Stripe, then the connection with it. After a lost answer the connection
   * stays, and the next call finds out whether the account still exists. A withdrawal that begins
   * in between is refused by Stripe, and its money goes back to the balance.
   */
  async disconnect({ account }: Request<'disconnect'>): Promise<Reply<'disconnect'>> {
    const { payouts } = this.#store;
    const known = await payouts.connectedAccount(account);
    if (known === undefined) return { ok: false, code: 'not_connected' };
    if (await payouts.hasOpen(account)) return { ok: false, code: 'money_on_the_way' };
    const { stripeAccount } = known;
    try {
      await this.#stripe.accounts.del(stripeAccount);
    } catch (error) {
      if (failureOf(error) !== 'rejected') return { ok: false, code: 'unavailable' };
      const isLeft = await this.#isLeft(stripeAccount);
      if (isLeft === undefined) return { ok: false, code: 'unavailable' };
      if (isLeft) return { ok: false, code: 'money_on_the_way' };
    }
    await payouts.disconnect(stripeAccount);
    return { ok: true };
  }

  /** Whether the account exists at Stripe; undefined if Stripe does not answer. */
  async #isLeft(stripeAccount: string): Promise<boolean | undefined> {
    try {
      const found: Stripe.Account | Stripe.DeletedAccount =
        await this.#stripe.accounts.retrieve(stripeAccount);
      return !('deleted' in found && found.deleted === true);
    } catch (error) {
      return failureOf(error) === 'rejected' ? false : undefined;
    }
  }

  /** A page of Stripe with payouts, the destination and the documents of the person; it works once. */
  async dashboard({ account }: Request<'dashboard'>): Promise<Reply<'dashboard'>> {
    const known = await this.#store.payouts.connectedAccount(account);
    if (!known?.payouts) return { ok: false, code: 'not_onboarded' };
    try {
      const { url } = await this.#stripe.accounts.createLoginLink(known.stripeAccount);
      return { ok: true, url };
    } catch (error) {
      failureOf(error);
      return { ok: false, code: 'unavailable' };
    }
  }
}

/** What a withdrawal would cost, by the rules by which it is made. */
export function quoteOf({
  amountMicroUsd,
  instant,
}: Request<'quoteWithdrawal'>): Reply<'quoteWithdrawal'> {
  const terms = payoutTerms(amountMicroUsd, instant);
  if (terms === undefined) return { ok: false, code: 'too_small' };
  const { amount, fee } = terms;
  return { ok: true, amountMicroUsd: amount, feeMicroUsd: fee, receivedMicroUsd: amount - fee };
}

function connectionOf({
  country,
  payouts_enabled: isReady,
  requirements,
  external_accounts: external,
}: Stripe.Account): StripeConnection {
  const destination = destinationOf(external?.data ?? []);
  return {
    state: isReady ? 'ready' : 'incomplete',
    missing: (requirements?.currently_due ?? [])
      .slice(0, MAX_MISSING)
      .map((name) => name.slice(0, MAX_TEXT)),
    ...(country && { country }),
    ...(destination && { destination }),
  };
}

function destinationOf(
  accounts: readonly (Stripe.BankAccount | Stripe.Card)[],
): StripeConnection['destination'] {
  const used = accounts.find((each) => each.default_for_currency) ?? accounts[0];
  if (used === undefined) return undefined;
  const isBank = used.object === 'bank_account';
  return {
    kind: isBank ? 'bank' : 'card',
    name: ((isBank ? used.bank_name : used.brand) ?? '').slice(0, MAX_TEXT),
    last4: (used.last4 ?? '').slice(-4),
    currency: used.currency ?? 'usd',
  };
}
