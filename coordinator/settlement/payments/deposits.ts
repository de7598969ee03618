import type Stripe from 'stripe';
import { type MessageOf, randomToken, type services } from '#bus-schemas';
import type { Alerts } from '../alerts.ts';
import { digestOf } from '../core/digest.ts';
import { CENT } from '../core/payout.ts';
import type { LedgerStore } from '../ledger/ledger-store.ts';
import type { DepositRow } from './deposit-store.ts';
import type { PaymentStore } from './payment-store.ts';
import { failureOf } from './stripe-client.ts';

type Methods = typeof services.settlement;
type CheckedOut = MessageOf<Methods['checkout']['reply']>;
export type EventOutcome = 'applied' | 'known' | 'ignored' | 'later';

const MINIMUM_CENTS = 100;
const BATCH = 100;

export interface DepositsOptions {
  readonly stripe: Stripe;
  readonly store: PaymentStore;
  readonly ledger: LedgerStore;
  readonly alerts: Pick<Alerts, 'raise'>;
}

/**
 * Money that accounts buy with a card. Each checkout session is credited once, whether its webhook
 * or the reconciliation reports it first.
 */
export class Deposits {
  readonly #options: DepositsOptions;

  constructor(options: DepositsOptions) {
    this.#options = options;
  }

  async checkout(request: MessageOf<Methods['checkout']['request']>): Promise<CheckedOut> {
    const { stripe, store } = this.#options;
    const { account, operation, amountMicroUsd, successUrl, cancelUrl } = request;
    const cents = Math.floor(amountMicroUsd / CENT);
    if (cents < MINIMUM_CENTS) return { ok: false, code: 'too_small' };
    const deposit = await store.deposits.open({
      id: `dep_${randomToken(20)}`,
      account,
      operation,
      amount: cents * CENT,
    });
    if (deposit.amount !== cents * CENT) return { ok: false, code: 'operation_conflict' };
    if (deposit.session !== null && deposit.url !== null)
      return { ok: true, session: deposit.session, url: deposit.url };
    try {
      const session = await stripe.checkout.sessions.create(
        {
          mode: 'payment',
          line_items: [
            {
              quantity: 1,
              price_data: {
                currency: 'usd',
                unit_amount: cents,
                product_data: { name: 'Credit for inference' },
              },
            },
          ],
          client_reference_id: account,
          metadata: { deposit: deposit.id, account },
          success_url: successUrl,
          cancel_url: cancelUrl,
        },
        { idempotencyKey: `checkout-${deposit.id}` },
      );
      await store.deposits.setSession(deposit.id, session.id, session.url ?? '');
      return { ok: true, session: session.id, url: session.url ?? '' };
    } catch (error) {
      failureOf(error);
      return { ok: false, code: 'unavailable' };
    }
  }

  /** Applies the state of a session, which came by webhook or by request. */
  async apply(session: Stripe.Checkout.Session): Promise<EventOutcome> {
    const deposit = session.metadata?.['deposit'];
    if (deposit === undefined) return 'ignored';
    if (session.payment_status === 'paid') return this.#paid(deposit, session);
    return session.status === 'expired' ? this.#expired(deposit, session.id) : 'ignored';
  }

  /** Requests the state of sessions whose webhook may have been lost. */
  async reconcile(olderThanMs: number): Promise<void> {
    const { stripe, store } = this.#options;
    for (const { session } of await store.deposits.pending(olderThanMs, BATCH)) {
      if (session !== null) await this.apply(await stripe.checkout.sessions.retrieve(session));
    }
  }

  async #paid(id: string, session: Stripe.Checkout.Session): Promise<EventOutcome> {
    const { store, ledger, alerts } = this.#options;
    return store.transaction(async (client) => {
      const deposit = await store.deposits.lock(client, id);
      if (deposit === undefined) return 'later';
      if (deposit.status === 'paid') return 'known';
      if (!matchesDeposit(deposit, session)) {
        alerts.raise('operation_conflict', `deposit:${session.id}`);
        return 'ignored';
      }
      const { account, amount } = deposit;
      const entries = [
        { account: `consumer:${account}`, kind: 'consumer', amount },
        { account: 'external:stripe', kind: 'external', amount: -amount },
      ] as const;
      await ledger.post(
        {
          operation: `deposit:${session.id}`,
          kind: 'deposit',
          digest: digestOf([account, amount]),
          entries,
        },
        client,
      );
      await store.deposits.end(client, id, 'paid', session.id);
      return 'applied';
    });
  }

  async #expired(id: string, session: string): Promise<EventOutcome> {
    const { store } = this.#options;
    return store.transaction(async (client) => {
      const deposit = await store.deposits.lock(client, id);
      if (deposit === undefined) return 'later';
      if (deposit.status !== 'pending') return 'known';
      await store.deposits.end(client, id, 'expired', session);
      return 'applied';
    });
  }
}

/**
 * Whether the session is for this deposit, with the same account, currency and amount. Otherwise a
 * signed event of another session could credit this deposit.
 */
function matchesDeposit(deposit: DepositRow, session: Stripe.Checkout.Session): boolean {
  return (
    (deposit.session === null || deposit.session === session.id) &&
    session.metadata?.['account'] === deposit.account &&
    session.currency === 'usd' &&
    session.amount_total === deposit.amount / CENT
  );
}
