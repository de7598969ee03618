import type { StripeConfig } from '#coordinator/config.ts';
import { Connections, quoteOf } from './connections.ts';
import { DepositReceipts } from './deposit-receipts.ts';
import { Deposits } from './deposits.ts';
import { Onboarding } from './onboarding.ts';
import { PaymentStore } from './payment-store.ts';
import type { Payments, PaymentsOptions } from './payments.ts';
import { Payouts } from './payouts.ts';
import { Reversals } from './reversals.ts';
import { connectStripe } from './stripe-client.ts';
import { StripeReport } from './stripe-report.ts';
import { Webhooks } from './webhooks.ts';

const RECONCILE_EVERY_MS = 60_000;
const DRIFT_TRIES = 3;

/** Payments through Stripe. */
export function stripePayments(
  { database, ledger, alerts, outbox, log, now }: Omit<PaymentsOptions, 'config'>,
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
