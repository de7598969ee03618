import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { events, type PricedProvider, SettlementTermsChanged, services } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';

/**
 * Interval of reads, in milliseconds: an announced price comes into force without an event. It also
 * limits how late a change is noticed if its event is lost.
 */
const READ_INTERVAL_MS = 15_000;
/**
 * Minimum time between two reads of all prices, in milliseconds, however often owners change
 * theirs.
 */
const MIN_READ_INTERVAL_MS = 1_000;
/**
 * Prices per page. With the longest model names, a page stays far below the largest message of the
 * bus (1 MiB).
 */
const PAGE = 1_000;
/**
 * Prices beyond this number are not read. Settlement refuses the hold of a request that is too
 * expensive.
 */
const MAX_PRICES = 200_000;
const CALL = { timeoutMs: 5_000 };

export interface PriceReaderOptions {
  readonly bus: Bus;
  readonly log: Logger;
  readonly onPrices: (prices: readonly PricedProvider[]) => void;
}

/**
 * Reads the prices of providers from settlement: at the start, after each change, and at intervals.
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
    this.#timer = setInterval(() => this.#read(), READ_INTERVAL_MS);
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
    await delay(MIN_READ_INTERVAL_MS, undefined, { signal: this.#stop.signal, ref: false }).catch(
      () => undefined,
    );
  }

  async #readAll(): Promise<void> {
    const { bus, log, onPrices } = this.#options;
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
      onPrices(all);
    } catch (error) {
      // With old prices, routing may choose machines whose hold settlement then refuses. Therefore
      // the next read does not wait for the timer.
      this.#isStale = true;
      log.info(
        { err: error },
        'the prices of providers could not be read from settlement; the last ones stay in use',
      );
    }
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
    clearInterval(this.#timer);
    this.#subscription.unsubscribe();
  }
}
