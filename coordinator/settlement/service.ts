import { type MessageOf, services, type Verified } from '#bus-schemas';
import { endpoint } from '#coordinator/bus.ts';
import type { Component } from '#coordinator/component.ts';
import type { Context } from '#coordinator/context.ts';
import { Alerts } from './alerts.ts';
import { digestOf } from './core/digest.ts';
import { EndedJobs } from './ended-jobs.ts';
import { Holds } from './holds.ts';
import { settlementMetrics } from './metrics.ts';
import { OutboxRelay } from './outbox-relay.ts';
import { PriceBook } from './price-book.ts';
import { Receipts } from './receipts.ts';
import { Settler } from './settler.ts';
import { LedgerStore } from './store/ledger-store.ts';
import { Sweeper } from './sweeper.ts';

const SWEEP_MS = 5_000;
type CreditRequest = MessageOf<typeof services.settlement.credit.request>;
type Credited = MessageOf<typeof services.settlement.credit.reply>;

/** Money: held before the work, charged or given back after it, once. */
export async function startSettlement(context: Context): Promise<Component> {
  const { bus, database, config, log, now } = context;
  const alerts = new Alerts(context);
  const store = new LedgerStore(database);
  const metrics = settlementMetrics(context.metrics);
  const prices = new PriceBook({ bus, store, now });
  const outbox = new OutboxRelay({ bus, store, log });
  const settler = new Settler({
    ...{ store, prices, feeBps: config.feeBps, now },
    onSettled: (facts) => {
      outbox.nudge();
      metrics.countSettled(facts);
    },
  });
  const holds = new Holds({ store, prices, alerts, log, now });
  const endedJobs = new EndedJobs({ bus, settler, log, alerts });
  const receipts = new Receipts({ bus, store, log });
  const sweeper = new Sweeper({ store, settler, log, receiptGraceMs: config.receiptGraceMs, everyMs: Math.min(SWEEP_MS, config.receiptGraceMs) });
  const onConnectionGone = (): void => holds.askAgain();
  database.on('remove', onConnectionGone);

  const face = await bus.serve('settlement', [
    endpoint(services.settlement.hold, async (request) => metrics.countHold(await holds.hold(request))),
    endpoint(services.settlement.balance, async ({ account }) => {
      const { available, held } = await store.balance(account);
      return { availableMicroUsd: available, heldMicroUsd: held };
    }),
    endpoint(services.settlement.credit, (request) => credit(store, alerts, request)),
    endpoint(services.settlement.verify, () => verify(store, alerts)),
  ]);
  const stop = async (): Promise<void> => {
    await face[Symbol.asyncDispose]();
    await holds[Symbol.asyncDispose]();
    receipts[Symbol.dispose]();
    await endedJobs[Symbol.asyncDispose]();
    await sweeper[Symbol.asyncDispose]();
    await outbox[Symbol.asyncDispose]();
    prices[Symbol.dispose]();
    database.off('remove', onConnectionGone);
  };
  return { name: 'settlement', [Symbol.asyncDispose]: stop };
}

async function credit(store: LedgerStore, alerts: Alerts, { account, amountMicroUsd, operation }: CreditRequest): Promise<Credited> {
  const digest = digestOf([account, amountMicroUsd]);
  const entries = [
    { account: `consumer:${account}`, kind: 'consumer', amount: amountMicroUsd },
    { account: 'external:credit', kind: 'external', amount: -amountMicroUsd },
  ] as const;
  const [posted] = await store.transaction((client) => store.post(client, [{ operation: `credit:${operation}`, digest, entries }]));
  if (posted === undefined || !posted.digest.equals(digest)) {
    alerts.raise('operation_conflict', `credit:${operation}`);
    return { ok: false, code: 'operation_conflict' };
  }
  return { ok: true, availableMicroUsd: (await store.balance(account)).available };
}

async function verify(store: LedgerStore, alerts: Alerts): Promise<Verified> {
  const { openHolds, ...violations } = await store.verify();
  const ok = Object.values(violations).every((count) => count === 0);
  if (!ok) alerts.raise('ledger_drift', JSON.stringify(violations));
  return { ok, openHolds, ...violations };
}
