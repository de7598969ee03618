import { CatalogChanged, events, services } from '#bus-schemas';
import { type Bus, BusError } from '#coordinator/bus.ts';
import type { Price } from './core/charge.ts';
import type { LedgerStore } from './store/ledger-store.ts';

export interface VersionedPrice extends Price {
  readonly version: string;
}

/** A change that was told while nobody heard is seen after this. */
const STALE_MS = 60_000;
/** A catalog that does not answer, or lacks a model, is asked again after this. */
const ASK_AGAIN_MS = 1_000;

/** Today's prices, from the catalog; each gets a version in the ledger before the first hold by it. */
export class PriceBook implements Disposable {
  readonly #bus: Bus;
  readonly #store: LedgerStore;
  readonly #now: () => number;
  readonly #subscription: { unsubscribe(): void };
  readonly #versions = new Map<string, Promise<string>>();
  #prices: ReadonlyMap<string, Price> = new Map();
  #askedAt = Number.NEGATIVE_INFINITY;
  #isCurrent = false;
  #loading: Promise<void> | undefined;

  constructor({ bus, store, now }: { bus: Bus; store: LedgerStore; now: () => number }) {
    this.#bus = bus;
    this.#store = store;
    this.#now = now;
    const forget = () => {
      this.#askedAt = Number.NEGATIVE_INFINITY;
      this.#isCurrent = false;
    };
    this.#subscription = bus.subscribe({ subject: events.catalogChanged, kind: CatalogChanged, handle: forget });
  }

  /** Undefined when the catalog has no such model. */
  async priceOf(model: string): Promise<VersionedPrice | undefined> {
    const age = this.#now() - this.#askedAt;
    const isKnown = this.#isCurrent && this.#prices.has(model);
    if (age > (isKnown ? STALE_MS : ASK_AGAIN_MS) || this.#loading !== undefined) await this.#load();
    const price = this.#prices.get(model);
    return price === undefined ? undefined : { ...price, version: await this.#versionOf(model, price) };
  }

  #versionOf(model: string, price: Price): Promise<string> {
    const name = `${model} ${price.inputPerMillion} ${price.outputPerMillion}`;
    const known = this.#versions.get(name);
    if (known !== undefined) return known;
    const version = this.#store.priceVersion(model, price);
    this.#versions.set(name, version);
    version.catch(() => this.#versions.delete(name));
    return version;
  }

  #load(): Promise<void> {
    this.#loading ??= this.#fetch().finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  /** While the catalog is away the last prices stay in force. */
  async #fetch(): Promise<void> {
    this.#askedAt = this.#now();
    this.#isCurrent = true;
    try {
      const { models } = await this.#bus.call(services.catalog.snapshot, {}, { timeoutMs: 1_000 });
      this.#prices = new Map(
        models.map((model) => [model.id, { inputPerMillion: model.inputMicroUsdPerMillion, outputPerMillion: model.outputMicroUsdPerMillion }]),
      );
    } catch (error) {
      this.#isCurrent = false;
      if (this.#prices.size > 0 && error instanceof BusError) return;
      this.#askedAt = Number.NEGATIVE_INFINITY;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#subscription.unsubscribe();
  }
}
