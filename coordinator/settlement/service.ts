import { consumers, services } from '#bus-schemas';
import { type Bus, BusError, endpoint } from '#coordinator/bus.ts';
import type { Component } from '#coordinator/component.ts';
import type { Config } from '#coordinator/config.ts';
import type { Context } from '#coordinator/context.ts';
import { DeliveryProofs } from '#coordinator/delivery-proofs.ts';
import { FactMarker } from '#coordinator/fact-markers/fact-marker.ts';
import { Alerts } from './alerts.ts';
import { EndedJobs } from './jobs/ended-jobs.ts';
import { Holds } from './jobs/holds.ts';
import { JobStore } from './jobs/job-store.ts';
import { OpenJobs } from './jobs/open-jobs.ts';
import { ReceiptReader } from './jobs/receipts.ts';
import { Settler } from './jobs/settler.ts';
import { Sweeper } from './jobs/sweeper.ts';
import { KeyCapStore } from './key-caps/key-cap-store.ts';
import { AccountCaps } from './ledger/account-caps.ts';
import { Books } from './ledger/books.ts';
import { LedgerStore } from './ledger/ledger-store.ts';
import { Prover } from './ledger/prover.ts';
import { machineEarnings } from './machine-earnings/machine-earnings.ts';
import { modelEarnings } from './machine-earnings/model-earnings.ts';
import { servedTokens } from './machine-earnings/served-tokens.ts';
import { settlementMetrics } from './metrics.ts';
import { OutboxStore } from './outbox/outbox-store.ts';
import { OutboxRelay } from './outbox/relay.ts';
import { startPayments } from './payments/payments.ts';
import { Agreements } from './pricing/agreements.ts';
import { Pricing } from './pricing/pricing.ts';
import { PricingStore } from './pricing/pricing-store.ts';
import { ReceiptKeys } from './receipts/receipt-keys.ts';
import { SettledReceipts } from './receipts/settled-receipts.ts';
import { SigningKeys } from './receipts/signing-keys.ts';
import { PromotionStore } from './rewards/promotion-store.ts';
import { RewardJob } from './rewards/reward-job.ts';
import { RewardPayments } from './rewards/reward-payments.ts';
import { RewardPolicies } from './rewards/reward-policies.ts';
import { rewardRows } from './rewards/reward-rows.ts';
import { RewardStore } from './rewards/reward-store.ts';
import { StatementStore } from './statements/statement-store.ts';

const SWEEP_MS = 5_000;
const TRUST_MS = 2_000;
/** Machines lose the minutes of an hour after 25 hours, so this leaves many tries. */
const REWARDS_MS = 10 * 60_000;

/**
 * The money of the network: held before a job, and charged or released after it, exactly once;
 * bought and paid out through Stripe.
 */
export async function startSettlement(
  context: Context,
  { stripe }: Pick<Config, 'stripe'>,
): Promise<Component> {
  const { bus, database, config, log, now } = context;
  const metrics = settlementMetrics(context.metrics, database);
  const alerts = new Alerts({ ...context, count: (kind) => metrics.countAlert(kind) });
  const jobs = new JobStore(database);
  const ledger = new LedgerStore(database, now);
  const statements = new StatementStore(database);
  const keyCaps = new KeyCapStore(database);
  const outboxStore = new OutboxStore(database);
  const pricingStore = new PricingStore(database);
  const openJobs = new OpenJobs();

  await using stack = new AsyncDisposableStack();
  const outbox = stack.use(new OutboxRelay({ bus, store: outboxStore, alerts, log }));
  const pricing = stack.use(
    new Pricing({
      bus,
      store: pricingStore,
      feeBps: config.feeBps,
      minimumMicroUsd: config.minimumChargeMicroUsd,
      batchDiscountPercent: config.batchDiscountPercent,
      now,
    }),
  );
  const signingKeys = new SigningKeys({
    requestKey: async (provider) =>
      (await bus.call(services.trust.signingKey, { provider }, { timeoutMs: TRUST_MS })).signingKey,
    log,
    now,
  });
  const settler = new Settler({
    store: jobs,
    pricing,
    openJobs,
    alerts,
    signingKeys,
    receiptGraceMs: config.receiptGraceMs,
    now,
    onWaiting: () => sweeper.sweepSoon(),
    onSettled: (facts) => {
      outbox.nudge();
      metrics.countSettled(facts);
    },
  });
  const endedJobs = stack.use(new EndedJobs({ bus, settler, log, alerts }));
  const facts = stack.use(
    new FactMarker({
      bus,
      database,
      log,
      consumer: consumers.settlementJobs,
      store: (lost) => endedJobs.settleAgain(lost),
    }),
  );
  const sweeper = stack.use(
    new Sweeper({
      store: jobs,
      settler,
      signingKeys,
      facts,
      log,
      receiptGraceMs: config.receiptGraceMs,
      everyMs: Math.min(SWEEP_MS, config.receiptGraceMs),
      onUnsigned: () => metrics.countUnsigned(),
    }),
  );
  const holds = stack.use(
    new Holds({ store: jobs, ledger, keyCaps, pricing, openJobs, alerts, log, now }),
  );
  const onConnectionLost = (): void => holds.requestAgain();
  database.on('remove', onConnectionLost);
  stack.defer(() => void database.off('remove', onConnectionLost));
  stack.use(
    new ReceiptReader({
      bus,
      store: jobs,
      proofs: await DeliveryProofs.open(config.coreCredentials),
      log,
      now,
    }),
  );
  const payments = stack.use(
    await startPayments({ config: stripe, database, ledger, alerts, outbox, log, now }),
  );
  const prover = stack.use(
    new Prover({ ledger, payments, alerts, log, everyMs: config.verifyEveryMs }),
  );
  const accountCaps = new AccountCaps(database);
  const books = new Books({ ledger, outboxStore, outbox, alerts });
  const rewardPolicies = new RewardPolicies({ database, ledger, onPosted: () => outbox.nudge() });
  const promotions = new PromotionStore(database, ledger);
  stack.use(
    new RewardJob({
      bus,
      store: new RewardStore(database, ledger),
      promotions,
      payments: new RewardPayments(database, ledger),
      alerts,
      log,
      everyMs: REWARDS_MS,
      onPaid: () => outbox.nudge(),
    }),
  );
  const receiptKeys = await ReceiptKeys.open(config.keysFolder);
  const settledReceipts = new SettledReceipts({
    database,
    keys: receiptKeys,
    keyOf: (provider) => signingKeyOf(bus, provider),
  });
  const agreements = new Agreements({
    bus,
    store: pricingStore,
    noticeMs: config.priceNoticeMs,
    listedPrice: (model) => pricing.listedPrice(model),
    forget: () => pricing.forget(),
    now,
  });

  stack.use(
    await bus.serve('settlement', [
      endpoint(services.settlement.hold, async (request) =>
        metrics.countHold(await holds.hold(request)),
      ),
      endpoint(services.settlement.topUp, (request) => holds.topUp(request)),
      endpoint(services.settlement.balance, ({ account }) => books.balance(account)),
      endpoint(services.settlement.credit, (request) => books.credit(request)),
      endpoint(services.settlement.reward, (request) => books.reward(request)),
      endpoint(services.settlement.setAccountCap, ({ account, dayMicroUsd }) =>
        accountCaps.put(account, dayMicroUsd),
      ),
      endpoint(services.settlement.accountSpending, ({ account }) => accountCaps.spending(account)),
      endpoint(services.settlement.statement, (request) => statements.statement(request)),
      endpoint(services.settlement.earnings, ({ account, from, until }) =>
        statements.earnings(`consumer:${account}`, from, until),
      ),
      endpoint(services.settlement.machineEarnings, ({ provider }) =>
        machineEarnings(database, { provider, now: now() }),
      ),
      endpoint(services.settlement.modelEarnings, () =>
        modelEarnings({ database, bus, now: now() }),
      ),
      endpoint(services.settlement.servedTokens, async ({ providers }) => ({
        machines: await servedTokens(database, { providers, now: now() }),
      })),
      endpoint(services.settlement.rewardPolicy, () => rewardPolicies.read()),
      endpoint(services.settlement.setRewardPolicy, (request) => rewardPolicies.set(request)),
      endpoint(services.settlement.fundRewards, (request) => rewardPolicies.fund(request)),
      endpoint(services.settlement.promotions, () => promotions.list()),
      endpoint(services.settlement.addPromotion, (request) => promotions.add(request)),
      endpoint(services.settlement.endPromotion, ({ promotion }) => promotions.end(promotion)),
      endpoint(services.settlement.rewards, (request) => rewardRows(database, request)),
      endpoint(services.settlement.setKeyCaps, async ({ key, account, caps }) => ({
        used: await keyCaps.put(key, account, caps),
      })),
      endpoint(services.settlement.keySpending, async ({ account, key }) => ({
        keys: await keyCaps.spending(account, key),
      })),
      endpoint(services.settlement.receipt, (request) => settledReceipts.of(request)),
      endpoint(services.settlement.receiptKeys, () => ({ keys: receiptKeys.publicKeys() })),
      endpoint(services.settlement.usage, (request) => statements.usage(request)),
      endpoint(services.settlement.setReferrer, (request) => agreements.setReferrer(request)),
      endpoint(services.settlement.setTerms, (request) => agreements.setTerms(request)),
      endpoint(services.settlement.setProviderPrice, (request) =>
        agreements.setProviderPrice(request),
      ),
      endpoint(services.settlement.announcedPrices, () => agreements.announcedPrices()),
      endpoint(services.settlement.allProviderPrices, (request) =>
        agreements.allProviderPrices(request),
      ),
      endpoint(services.settlement.providerPrices, (request) => agreements.providerPrices(request)),
      endpoint(services.settlement.checkout, (request) => payments.checkout(request)),
      endpoint(services.settlement.onboard, (request) => payments.onboard(request)),
      endpoint(services.settlement.withdraw, (request) => payments.withdraw(request)),
      endpoint(services.settlement.payouts, ({ account }) => payments.payouts(account)),
      endpoint(services.settlement.connection, (request) => payments.connection(request)),
      endpoint(services.settlement.dashboard, (request) => payments.dashboard(request)),
      endpoint(services.settlement.disconnect, (request) => payments.disconnect(request)),
      endpoint(services.settlement.deposits, ({ account }) => payments.deposits(account)),
      endpoint(services.settlement.depositReceipt, (request) => payments.depositReceipt(request)),
      endpoint(services.settlement.quoteWithdrawal, (request) => payments.quoteWithdrawal(request)),
      endpoint(services.settlement.openPayouts, () => payments.openPayouts()),
      endpoint(services.settlement.webhook, (request) => payments.webhook(request)),
      endpoint(services.settlement.verify, ({ full = false }) => prover.prove(full)),
      endpoint(services.settlement.parked, async () => ({ rows: await outboxStore.parked() })),
      endpoint(services.settlement.replay, ({ ids }) => books.replay(ids)),
    ]),
  );
  const running = stack.move();
  return { name: 'settlement', [Symbol.asyncDispose]: () => running.disposeAsync() };
}

/**
 * Returns undefined if trust does not answer. The receipt is then checked only against the key that
 * it contains.
 */
async function signingKeyOf(bus: Bus, provider: string): Promise<Uint8Array | undefined> {
  try {
    return (await bus.call(services.trust.signingKey, { provider }, { timeoutMs: TRUST_MS }))
      .signingKey;
  } catch (error) {
    if (error instanceof BusError) return undefined;
    throw error;
  }
}
