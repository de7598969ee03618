import type { Logger } from 'pino';
import {
  type CatalogModel,
  type MessageOf,
  type PricedProvider,
  services,
  type TokenPrice,
} from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { answerOf } from './call-until.ts';

type Fleet = MessageOf<typeof services.routing.fleet.reply>['providers'];
type Announced = MessageOf<typeof services.settlement.announcedPrices.reply>['prices'];

/**
 * Lifetime of the prices, in milliseconds. The price list is public, so without it any number of
 * callers would reach routing and settlement.
 */
const GOOD_MS = 5_000;
const PAGE = 1_000;
/**
 * Most pages of prices that are read. If providers have set more, the price ranges of some models
 * are incomplete.
 */
const MAX_PAGES = 20;
const CALL = { eachMs: 2_000, totalMs: 4_000 };

/** The current and the announced prices of the machines, for the public price list. */
export class AskedPrices {
  readonly #bus: Bus;
  readonly #log: Logger;
  readonly #clock: () => number;
  #known: { readonly prices: Promise<Snapshot | undefined>; readonly at: number } | undefined;

  constructor({ bus, log, clock }: { bus: Bus; log: Logger; clock: () => number }) {
    this.#bus = bus;
    this.#log = log;
    this.#clock = clock;
  }

  /**
   * The prices; undefined while routing or settlement does not reply. The price list then has only
   * the listed prices.
   */
  now(): Promise<Snapshot | undefined> {
    if (this.#known === undefined || this.#clock() - this.#known.at >= GOOD_MS)
      this.#known = { prices: this.#read(), at: this.#clock() };
    return this.#known.prices;
  }

  async #read(): Promise<Snapshot | undefined> {
    try {
      const [own, { prices: announced }, { providers }] = await Promise.all([
        this.#readOwn(),
        answerOf(this.#bus, services.settlement.announcedPrices, {}, CALL),
        answerOf(this.#bus, services.routing.fleet, {}, CALL),
      ]);
      return new Snapshot(own, announced, providers);
    } catch (error) {
      this.#log.warn(
        { err: error },
        'the prices of the machines could not be read; the price list shows only the listed prices',
      );
      return undefined;
    }
  }

  async #readOwn(): Promise<PricedProvider[]> {
    const all: PricedProvider[] = [];
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const last = all.at(-1);
      const after = last && { after: { provider: last.provider, model: last.model } };
      const { prices } = await answerOf(
        this.#bus,
        services.settlement.allProviderPrices,
        { limit: PAGE, ...after },
        CALL,
      );
      all.push(...prices);
      if (prices.length < PAGE) break;
    }
    return all;
  }
}

class Snapshot {
  readonly #own: ReadonlyMap<string, TokenPrice>;
  readonly #announced: Announced;
  readonly #present: Fleet;

  constructor(own: readonly PricedProvider[], announced: Announced, fleet: Fleet) {
    this.#own = new Map(
      own.map(({ provider, model, ...price }) => [`${provider} ${model}`, price]),
    );
    this.#announced = announced;
    this.#present = fleet.filter(
      ({ state }) => state !== 'silent' && state !== 'draining' && state !== 'failed',
    );
  }

  /** The current price of each machine that may serve the model. */
  askedFor({
    id,
    builds,
    inputMicroUsdPerMillion,
    outputMicroUsdPerMillion,
  }: CatalogModel): TokenPrice[] {
    const listed = { inputMicroUsdPerMillion, outputMicroUsdPerMillion };
    const machines = new Set(
      this.#present.flatMap(({ provider, build }) => (builds.includes(build) ? [provider] : [])),
    );
    return [...machines].map((provider) => this.#own.get(`${provider} ${id}`) ?? listed);
  }

  announcedFor({ id }: CatalogModel): Announced {
    return this.#announced.filter(({ model }) => model === id);
  }
}
