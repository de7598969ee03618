import { type Held, type Hold, services } from '#bus-schemas';
import { endpoint } from '#coordinator/bus.ts';
import type { Component } from '#coordinator/component.ts';
import type { Context } from '#coordinator/context.ts';
import { Batcher } from './batcher.ts';
import { costOf } from './core/charge.ts';
import { digestOf } from './core/digest.ts';
import { EndedJobs } from './ended-jobs.ts';
import { OutboxRelay } from './outbox-relay.ts';
import { PriceBook } from './price-book.ts';
import { Receipts } from './receipts.ts';
import { Settler } from './settler.ts';
import { type HoldResult, type HoldRow, LedgerStore, retried } from './store/ledger-store.ts';
import { Sweeper } from './sweeper.ts';

const MAX_HOLD_BATCH = 256;
const SWEEP_MS = 5_000;

/** Money: held before the work, charged or given back after it, once. */
export async function startSettlement(context: Context): Promise<Component> {
  const { bus, database, config, log, now } = context;
  const store = new LedgerStore(database);
  const prices = new PriceBook(bus, store);
  const outbox = new OutboxRelay({ bus, store, log });
  const settler = new Settler({ store, prices, feeBps: config.feeBps, now, onSettled: () => outbox.nudge() });
  const holds = new Batcher<HoldRow, HoldResult>((rows) => holdAll(store, rows), MAX_HOLD_BATCH);
  const endedJobs = new EndedJobs({ bus, settler, log, now });
  const receipts = new Receipts({ bus, store, log });
  const sweeper = new Sweeper({ store, settler, log, receiptGraceMs: config.receiptGraceMs, everyMs: Math.min(SWEEP_MS, config.receiptGraceMs) });

  const hold = async (request: Hold): Promise<Held> => {
    const price = await prices.priceOf(request.model);
    if (price === undefined) return { ok: false, code: 'unpriced_model' };
    const { job, account, key, model, promptBound, outputBound, expiresAt } = request;
    const held = costOf(price, { prompt: promptBound, completion: outputBound });
    const digest = digestOf([account, key, model, promptBound, outputBound]);
    const { result, held: heldMicroUsd } = await holds.add({ job, account, key, model, promptBound, priceVersion: price.version, held, digest, expiresAt });
    return result === 'held' ? { ok: true, heldMicroUsd } : { ok: false, code: result };
  };

  const face = await bus.serve('settlement', [
    endpoint(services.settlement.hold, hold),
    endpoint(services.settlement.balance, async ({ account }) => {
      const { available, held } = await store.balance(account);
      return { availableMicroUsd: available, heldMicroUsd: held };
    }),
    endpoint(services.settlement.credit, (request) => credit(store, request)),
    endpoint(services.settlement.verify, async () => {
      const { openHolds, ...violations } = await store.verify();
      return { ok: Object.values(violations).every((count) => count === 0), openHolds, ...violations };
    }),
  ]);
  const stop = async (): Promise<void> => {
    await face[Symbol.asyncDispose]();
    receipts[Symbol.dispose]();
    await endedJobs[Symbol.asyncDispose]();
    await sweeper[Symbol.asyncDispose]();
    await outbox[Symbol.asyncDispose]();
    prices[Symbol.dispose]();
  };
  return { name: 'settlement', [Symbol.asyncDispose]: stop };
}

/** The statement answers in its own order. */
async function holdAll(store: LedgerStore, rows: readonly HoldRow[]): Promise<HoldResult[]> {
  const results = new Map((await retried(() => store.hold(rows))).map((result) => [result.job, result]));
  return rows.map(({ job }) => {
    const result = results.get(job);
    if (result === undefined) throw new Error('the ledger did not answer for a job');
    return result;
  });
}

async function credit(store: LedgerStore, { account, amountMicroUsd, operation }: { account: string; amountMicroUsd: number; operation: string }) {
  const digest = digestOf([account, amountMicroUsd]);
  const entries = [
    { account: `consumer:${account}`, kind: 'consumer', amount: amountMicroUsd },
    { account: 'external:credit', kind: 'external', amount: -amountMicroUsd },
  ] as const;
  const [posted] = await store.transaction((client) => store.post(client, [{ operation: `credit:${operation}`, digest, entries }]));
  if (posted === undefined || !posted.digest.equals(digest)) return { ok: false as const, code: 'operation_conflict' as const };
  return { ok: true as const, availableMicroUsd: (await store.balance(account)).available };
}
