import type { ClientBase } from 'pg';
import { events, type JobEnded, SettlementSettled } from '#bus-schemas';
import { type Charge, chargeFor, costOf, type End } from './core/charge.ts';
import { digestOf } from './core/digest.ts';
import type { PriceBook, VersionedPrice } from './price-book.ts';
import type { HoldRow, JobRow, LedgerStore, Posting } from './store/ledger-store.ts';

/** The end of a job, told by an ingress or, when that died, by the provider's receipt. */
export interface JobEnd extends End {
  readonly job: string;
  readonly provider: string | undefined;
  /** Known when an ingress tells it: enough to charge for a hold that a crash of the database forgot. */
  readonly ended?: JobEnded;
}

export interface SettlerOptions {
  readonly store: LedgerStore;
  readonly prices: Pick<PriceBook, 'priceOf'>;
  readonly feeBps: number;
  readonly now: () => number;
  readonly onSettled: (facts: readonly SettlementSettled[]) => void;
}

/** A failed look-up counts only if the price is needed after all. */
type ModelPrices = ReadonlyMap<string, PromiseSettledResult<VersionedPrice | undefined>>;

const HOUR_MS = 3_600_000;

export function endOf(ended: JobEnded): JobEnd {
  return { job: ended.job, provider: ended.provider, result: ended.result, deliveredTokens: ended.deliveredTokens, usage: ended.usage, ended };
}

/** Ends jobs: charges or refunds, pays, takes the fee, and writes what to tell, in one transaction. A job that has ended stays as it is. */
export class Settler {
  readonly #options: SettlerOptions;

  constructor(options: SettlerOptions) {
    this.#options = options;
  }

  async settle(ends: readonly JobEnd[]): Promise<void> {
    const unique = [...new Map(ends.map((end) => [end.job, end])).values()];
    const prices = await this.#pricesOf(unique);
    const facts = await this.#options.store.transaction((client) => this.#settleIn(client, unique, prices));
    if (facts.length > 0) this.#options.onSettled(facts);
  }

  async #pricesOf(ends: readonly JobEnd[]): Promise<ModelPrices> {
    const models = new Set(ends.flatMap(({ ended }) => (ended ? [ended.model] : [])));
    const { prices } = this.#options;
    const results = await Promise.allSettled([...models].map((model) => prices.priceOf(model)));
    return new Map([...models].map((model, index) => [model, results[index] as PromiseSettledResult<VersionedPrice | undefined>]));
  }

  async #settleIn(client: ClientBase, ends: readonly JobEnd[], prices: ModelPrices): Promise<readonly SettlementSettled[]> {
    const { store, feeBps, now } = this.#options;
    const names = ends.map(({ job }) => job);
    let rows = await store.lockJobs(client, names);
    const unknown = ends.filter(({ job }) => !rows.has(job));
    if (unknown.length > 0) {
      await this.#adopt(client, unknown, prices);
      rows = await store.lockJobs(client, names);
    }
    const open = ends.flatMap((end) => {
      const row = rows.get(end.job);
      return row?.status === 'held' ? [{ end, row }] : [];
    });
    if (open.length === 0) return [];
    const reported = await this.#reportedUsage(
      client,
      open.map(({ end }) => end),
    );
    const settled = open.map(({ end, row }) => {
      const usage = end.usage ?? reported.get(`${end.job} ${end.provider}`);
      // Nobody to pay, nothing to charge.
      const deliveredTokens = end.provider === undefined ? 0 : end.deliveredTokens;
      return { end, row, charge: chargeFor(row, { ...end, usage, deliveredTokens }, feeBps) };
    });
    await store.post(client, settled.map(postingOf));
    await store.endJobs(
      client,
      settled.map(({ end, charge }) => ({ ...charge, job: end.job, provider: end.provider ?? null, status: charge.charged > 0 ? 'settled' : 'refunded' })),
    );
    const facts = settled.map((job) => factOf(job, now()));
    await store.addToOutbox(
      client,
      facts.map(({ job }) => ({ subject: events.settlementSettled, messageId: `settled:${job}` })),
      facts.map((fact) => SettlementSettled.encode(fact)),
    );
    return facts;
  }

  /** Jobs without a hold: one that delivered had a hold that was lost, and is charged all the same; one that did not never gets a hold any more. */
  async #adopt(client: ClientBase, ends: readonly JobEnd[], prices: ModelPrices): Promise<void> {
    const { store, now } = this.#options;
    const lost = ends.flatMap(({ ended }): HoldRow[] => {
      if (!ended || ended.deliveredTokens === 0 || ended.result === 'failed') return [];
      const found = prices.get(ended.model);
      if (found?.status === 'rejected') throw new Error(`no price of ${ended.model} for a hold that was lost`, { cause: found.reason });
      if (found?.value === undefined) return [];
      const held = costOf(found.value, { prompt: ended.promptBound, completion: ended.deliveredTokens });
      return [{ ...ended, priceVersion: found.value.version, held, digest: digestOf(['lost hold', ended.job]), expiresAt: now() + HOUR_MS }];
    });
    if (lost.length > 0) await store.hold(lost, client);
    await store.voidJobs(
      client,
      ends.flatMap(({ ended }) => (ended ? [ended] : [])),
    );
  }

  async #reportedUsage(client: ClientBase, ends: readonly JobEnd[]) {
    const silent = ends.filter(({ usage, deliveredTokens }) => usage === undefined && deliveredTokens > 0);
    if (silent.length === 0) return new Map<string, End['usage']>();
    const receipts = await this.#options.store.receiptsOf(
      client,
      silent.map(({ job }) => job),
    );
    return new Map(receipts.map((receipt) => [`${receipt.job} ${receipt.provider}`, receipt]));
  }
}

interface Settled {
  readonly end: JobEnd;
  readonly row: JobRow;
  readonly charge: Charge;
}

function postingOf({ end, row, charge }: Settled): Posting {
  return {
    operation: `end:${end.job}`,
    digest: digestOf([end.job, charge.charged, charge.providerShare]),
    entries: [
      { account: `held:${row.account}`, kind: 'held', amount: -row.held },
      { account: `consumer:${row.account}`, kind: 'consumer', amount: row.held - charge.charged },
      { account: `provider:${end.provider}`, kind: 'provider', amount: charge.providerShare },
      { account: 'platform:fees', kind: 'platform', amount: charge.fee },
    ],
  };
}

function factOf({ end, row, charge }: Settled, at: number): SettlementSettled {
  return {
    job: end.job,
    account: row.account,
    at,
    outcome: charge.charged > 0 ? 'settled' : 'refunded',
    heldMicroUsd: row.held,
    chargedMicroUsd: charge.charged,
    providerMicroUsd: charge.providerShare,
    feeMicroUsd: charge.fee,
    ...(end.provider !== undefined && { provider: end.provider }),
  };
}
