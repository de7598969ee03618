import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { MessageOf, services } from '#bus-schemas';
import type { StripeConfig } from '#coordinator/config.ts';
import type { Alerts } from '../alerts.ts';
import type { LedgerStore } from '../ledger/ledger-store.ts';
import type { OutboxRelay } from '../outbox/relay.ts';

type Methods = typeof services.settlement;
type Request<Name extends keyof Methods> = MessageOf<Methods[Name]['request']>;
type Reply<Name extends keyof Methods> = MessageOf<Methods[Name]['reply']>;

/**
 * Deposits, withdrawals and registration with Stripe. Without Stripe, every request gets the answer
 * `not_configured`.
 */
export interface Payments extends AsyncDisposable {
  checkout(request: Request<'checkout'>): Promise<Reply<'checkout'>>;
  onboard(request: Request<'onboard'>): Promise<Reply<'onboard'>>;
  withdraw(request: Request<'withdraw'>): Promise<Reply<'withdraw'>>;
  payouts(account: string): Promise<Reply<'payouts'>>;
  connection(request: Request<'connection'>): Promise<Reply<'connection'>>;
  dashboard(request: Request<'dashboard'>): Promise<Reply<'dashboard'>>;
  disconnect(request: Request<'disconnect'>): Promise<Reply<'disconnect'>>;
  deposits(account: string): Promise<Reply<'deposits'>>;
  depositReceipt(request: Request<'depositReceipt'>): Promise<Reply<'depositReceipt'>>;
  quoteWithdrawal(request: Request<'quoteWithdrawal'>): Promise<Reply<'quoteWithdrawal'>>;
  openPayouts(): Promise<Reply<'openPayouts'>>;
  webhook(request: Request<'webhook'>): Promise<Reply<'webhook'>>;
  /** Micro-dollars that Stripe has in excess of the ledger; undefined without Stripe. */
  drift(): Promise<number | undefined>;
  /**
   * Completes what no event has reported: sessions without a webhook, withdrawals without an
   * answer.
   */
  reconcile(olderThanMs: number): Promise<void>;
}

export interface PaymentsOptions {
  readonly config: StripeConfig | undefined;
  readonly database: Pool;
  readonly ledger: LedgerStore;
  readonly alerts: Pick<Alerts, 'raise'>;
  readonly outbox: Pick<OutboxRelay, 'nudge'>;
  readonly log: Logger;
  readonly now: () => number;
}

/** Loads the code for Stripe, with the 218 modules of its library, only if Stripe is configured. */
export async function startPayments(options: PaymentsOptions): Promise<Payments> {
  if (options.config === undefined) return withoutStripe();
  const { stripePayments } = await import('./stripe-payments.ts');
  return stripePayments(options, options.config);
}

function withoutStripe(): Payments {
  const refuse = async () => ({ ok: false as const, code: 'not_configured' as const });
  return {
    checkout: refuse,
    onboard: refuse,
    withdraw: refuse,
    webhook: refuse,
    connection: async () => ({ ok: true, connection: { state: 'none', missing: [] } }),
    dashboard: refuse,
    disconnect: refuse,
    depositReceipt: refuse,
    deposits: async () => ({ deposits: [] }),
    quoteWithdrawal: refuse,
    payouts: async () => ({ payouts: [], onboarded: false }),
    openPayouts: async () => ({ payouts: [] }),
    drift: async () => undefined,
    reconcile: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
}
