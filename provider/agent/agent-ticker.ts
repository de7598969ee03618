/** Pauses between two ticks, in milliseconds. */
const BUSY_MS = 50;
const IDLE_MS = 500;

export interface AgentTickerOptions {
  readonly tick: () => void;
  /** Whether something waits for the next tick. */
  readonly isBusy: () => boolean;
}

/**
 * Calls the parts of an agent that wait for a time. Without work it does so rarely: each call wakes the
 * processor of a computer that is idle most of the day.
 */
export class AgentTicker implements Disposable {
  readonly #options: AgentTickerOptions;
  #timer: NodeJS.Timeout;
  #isSlow = true;

  constructor(options: AgentTickerOptions) {
    this.#options = options;
    this.#timer = setTimeout(() => this.#tick(), IDLE_MS);
  }

  /** Work has arrived. */
  wake(): void {
    if (!this.#isSlow) return;
    clearTimeout(this.#timer);
    this.#wait(BUSY_MS);
  }

  #tick(): void {
    this.#wait(this.#options.isBusy() ? BUSY_MS : IDLE_MS);
    this.#options.tick();
  }

  #wait(ms: number): void {
    this.#isSlow = ms === IDLE_MS;
    this.#timer = setTimeout(() => this.#tick(), ms);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
