import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { events, type PricedProvider, SettlementTermsChanged, services } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';

/**
 * An announced price comes into force without an event; a lost event costs no more than this, in
 * milliseconds.
 */
const READ_EVERY_MS = 15_000;
/**
 * However often owners change their prices, all prices are read once in this time at most, in
 * milliseconds.
 */
const READ_APART_MS = 1_000;
/**
 * A page stays far below the largest message of the bus (1 MiB), however long the names of models
 * are.
 */
const PAGE = 1_000;
/**
 * With more prices than this the rest is left to settlement, which refuses what is too expensive
 * when it holds the money.
 */
const MAX_PRICES = 200_000;
const CALL = { timeoutMs: 5_000 };

export interface PriceReaderOptions {
  readonly bus: Bus;
  readonly log: Logger;
  readonly on: (prices: readonly PricedProvider[]) => void;
}

/**
 * Reads the prices of providers from settlement: at the start, after each change, and from time to
 * time.
 */
export class PriceReader implements Disposable {
  readonly #options: PriceReaderOptions;
  readonly #subscription: { unsubscribe(): void };
  readonly #timer: NodeJS.Timeout;
  #reading: Promise<void> | undefined;
  readonly #stop = new AbortController();
  #isStale = false;

  constructor(options: PriceReaderOptions) {
    this.#options = options;
    this.#subscription = options.bus.subscribe({
      subject: events.settlementTermsChanged,
      kind: SettlementTermsChanged,
      handle: () => this.#read(),
    });
    this.#timer = setInterval(() => this.#read(), READ_EVERY_MS);
    this.#read();
  }

  #read(): void {
    this.#isStale = this.#reading !== undefined;
    this.#reading ??= this.#readAll()
      .then(() => this.#pause())
      .finally(() => {
        this.#reading = undefined;
        if (this.#isStale && !this.#stop.signal.aborted) this.#read();
      });
  }

  async #pause(): Promise<void> {
    await delay(READ_APART_MS, undefined, { signal: this.#stop.signal, ref: false }).catch(
      () => undefined,
    );
  }

  async #readAll(): Promise<void> {
    const { bus, log, on } = this.#options;
    try {
      const all: PricedProvider[] = [];
      for (
        let page: readonly PricedProvider[] | undefined;
        page === undefined || page.length === PAGE;
        all.push(...page)
      ) {
        const last = page?.at(-1);
        const after = last && { provider: last.provider, model: last.model };
        page = (
          await bus.call(
            services.settlement.allProviderPrices,
            { limit: PAGE, ...(after && { after }) },
            CALL,
          )
        ).prices;
        if (all.length >= MAX_PRICES) break;
      }
      on(all);
    } catch (error) {
      // Without prices routing sends requests to machines whose hold is then refused: it does not
      // wait for the timer.
      this.#isStale = true;
      log.info(
        { err: error },
        'routing could not read the prices of providers; the last ones stay in use',
      );
    }
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
    clearInterval(this.#timer);
    this.#subscription.unsubscribe();
  }
}
