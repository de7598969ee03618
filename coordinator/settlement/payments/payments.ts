import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { MessageOf, services } from '#bus-schemas';
import type { StripeConfig } from '#coordinator/config.ts';
import type { Alerts } from '../alerts.ts';
import type { LedgerStore } from '../ledger/ledger-store.ts';
import type { OutboxRelay } from '../outbox/relay.ts';
import { Connections, quoteOf } from './connections.ts';
import { DepositReceipts } from './deposit-receipts.ts';
import { Deposits } from './deposits.ts';
import { Onboarding } from './onboarding.ts';
import { PaymentStore } from './payment-store.ts';
import { Payouts } from './payouts.ts';
import { Reversals } from './reversals.ts';
import { connectStripe } from './stripe-client.ts';
import { StripeReport } from './stripe-report.ts';
import { Webhooks } from './webhooks.ts';

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

const RECONCILE_EVERY_MS = 60_000;
const DRIFT_TRIES = 3;

export function startPayments(options: PaymentsOptions): Payments {
  return options.config === undefined ? withoutStripe() : withStripe(options, options.config);
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

function withStripe(
  { database, ledger, alerts, outbox, log, now }: PaymentsOptions,
  config: StripeConfig,
): Payments {
  const stripe = connectStripe(config);
  const store = new PaymentStore(database);
  const deposits = new Deposits({ stripe, store, ledger, alerts });
  const payouts = new Payouts({ stripe, store, ledger, alerts, now });
  const onboarding = new Onboarding(stripe, store);
  const connections = new Connections(stripe, store);
  const receipts = new DepositReceipts(stripe, store);
  const reversals = new Reversals({ stripe, store, ledger, deposits });
  const webhooks = new Webhooks({
    secret: config.webhookSecret,
    store,
    deposits,
    payouts,
    reversals,
  });
  const report = new StripeReport(stripe, store);

  const reconcile = async (olderThanMs: number): Promise<void> => {
    await deposits.reconcile(olderThanMs);
    await payouts.reconcile(olderThanMs);
    await reversals.reconcile();
    outbox.nudge();
  };
  let running: Promise<void> | undefined;
  const timer = setInterval(() => {
    running ??= reconcile(RECONCILE_EVERY_MS)
      .catch((error: unknown) =>
        log.warn(
          { err: error },
          'open payments could not be reconciled with Stripe; the next interval tries again',
        ),
      )
      .finally(() => {
        running = undefined;
      });
  }, RECONCILE_EVERY_MS);
  const nudgingAfter = async <Answer>(work: Promise<Answer>): Promise<Answer> => {
    const answer = await work;
    outbox.nudge();
    return answer;
  };
  return {
    checkout: (request) => deposits.checkout(request),
    onboard: (request) => onboarding.begin(request),
    withdraw: (request) => nudgingAfter(payouts.withdraw(request)),
    connection: (request) => connections.read(request),
    dashboard: (request) => connections.dashboard(request),
    disconnect: (request) => connections.disconnect(request),
    deposits: async (account) => ({ deposits: await receipts.list(account) }),
    depositReceipt: (request) => receipts.read(request),
    quoteWithdrawal: async (request) => quoteOf(request),
    payouts: async (account) => ({
      payouts: await payouts.list(account),
      onboarded: (await store.payouts.connectedAccount(account))?.payouts === true,
    }),
    openPayouts: () => payouts.waiting(),
    webhook: (request) => nudgingAfter(webhooks.receive(request)),
    drift: async () => {
      let drift = await report.drift();
      // A payment may be booked between the two readings. Only a difference that stays is drift.
      for (let tries = 1; drift !== 0 && tries < DRIFT_TRIES; tries += 1) {
        await reconcile(0);
        drift = await report.drift();
      }
      return drift;
    },
    reconcile,
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer);
      await running;
    },
  };
}
