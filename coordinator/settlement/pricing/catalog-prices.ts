import { CatalogChanged, events, services } from '#bus-schemas';
import { type Bus, BusError } from '#coordinator/bus.ts';
import type { Price } from '#coordinator/job-cost.ts';

/** Upper bound on staleness if a change event is lost, in milliseconds. */
const STALE_MS = 60_000;
/**
 * After this time, in milliseconds, a catalog that did not answer or lacks a model is asked again.
 */
const ASK_AGAIN_MS = 1_000;

/** Caches the current prices of the catalog. */
export class CatalogPrices implements Disposable {
  readonly #bus: Bus;
  readonly #now: () => number;
  readonly #subscription: { unsubscribe(): void };
  #prices: ReadonlyMap<string, Price> = new Map();
  #askedAt = Number.NEGATIVE_INFINITY;
  #isCurrent = false;
  #loading: Promise<void> | undefined;

  constructor({ bus, now }: { bus: Bus; now: () => number }) {
    this.#bus = bus;
    this.#now = now;
    const forget = () => {
      this.#askedAt = Number.NEGATIVE_INFINITY;
      this.#isCurrent = false;
    };
    this.#subscription = bus.subscribe({
      subject: events.catalogChanged,
      kind: CatalogChanged,
      handle: forget,
    });
  }

  /** Returns undefined when the catalog does not list the model. */
  async priceOf(model: string): Promise<Price | undefined> {
    const age = this.#now() - this.#askedAt;
    const isKnown = this.#isCurrent && this.#prices.has(model);
    if (age > (isKnown ? STALE_MS : ASK_AGAIN_MS) || this.#loading !== undefined)
      await this.#load();
    return this.#prices.get(model);
  }

  #load(): Promise<void> {
    this.#loading ??= this.#fetch().finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  /** While the catalog does not answer, the last prices stay in force. */
  async #fetch(): Promise<void> {
    this.#askedAt = this.#now();
    this.#isCurrent = true;
    try {
      const { models } = await this.#bus.call(services.catalog.snapshot, {}, { timeoutMs: 1_000 });
      this.#prices = new Map(
        models.map((model) => [
          model.id,
          {
            inputPerMillion: model.inputMicroUsdPerMillion,
            cacheReadPerMillion: model.cacheReadMicroUsdPerMillion,
            outputPerMillion: model.outputMicroUsdPerMillion,
          },
        ]),
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
