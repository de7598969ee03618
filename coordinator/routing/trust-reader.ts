import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { events, services, TrustVerdict, type Verdict } from '#bus-schemas';
import { type Bus, BusError } from '#coordinator/bus.ts';

const PAGE = 500;
const CALL_MS = 5_000;
const RETRY_MS = 1_000;

export interface TrustReaderOptions {
  readonly bus: Bus;
  readonly log: Logger;
  readonly onVerdict: (verdict: Verdict) => void;
}

/**
 * Passes on every verdict: new ones as they are published, and all existing ones at the start. If
 * trust is not available at the start, the reader tries again until it is.
 */
export class TrustReader implements Disposable {
  readonly #options: TrustReaderOptions;
  readonly #subscription: { unsubscribe(): void };
  readonly #stop = new AbortController();
  /** Resolves when all verdicts are read, or when trust was not available. */
  readonly firstRead: Promise<void>;

  constructor(options: TrustReaderOptions) {
    this.#options = options;
    this.#subscription = options.bus.subscribe({
      subject: events.trustVerdict,
      kind: TrustVerdict,
      handle: options.onVerdict,
    });
    this.firstRead = this.#read(undefined).then((done) => {
      if (!done) void this.#readWhenThere();
    });
  }

  async #read(after: string | undefined): Promise<boolean> {
    const { bus, log, onVerdict } = this.#options;
    try {
      const { verdicts } = await bus.call(
        services.trust.verdicts,
        { limit: PAGE, ...(after && { after }) },
        { timeoutMs: CALL_MS },
      );
      for (const verdict of verdicts) onVerdict(verdict);
      return verdicts.length < PAGE || this.#read(verdicts.at(-1)?.provider);
    } catch (error) {
      if (!(error instanceof BusError)) throw error;
      log.info(
        { code: error.code },
        'the verdicts of trust could not be read; machines without a verdict get no jobs',
      );
      return false;
    }
  }

  async #readWhenThere(): Promise<void> {
    do await delay(RETRY_MS, undefined, { signal: this.#stop.signal }).catch(() => undefined);
    while (!this.#stop.signal.aborted && !(await this.#read(undefined)));
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
    this.#subscription.unsubscribe();
  }
}
