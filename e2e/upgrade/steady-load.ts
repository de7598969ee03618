import { setTimeout as delay } from 'node:timers/promises';

interface SteadyLoadOptions {
  readonly perSecond: number;
  /**
   * Sends the request with this number, and returns the longest time in which its client received
   * nothing, in milliseconds. Throws if the answer is not complete and correct.
   */
  readonly send: (index: number) => Promise<number>;
}

/**
 * Sends requests at a fixed rate, whether or not earlier ones have been answered, as independent
 * clients do.
 */
export class SteadyLoad {
  readonly #options: SteadyLoadOptions;
  readonly #running = new Set<Promise<void>>();
  readonly #ended: Promise<void>;
  #isStopped = false;
  #requests = 0;
  readonly #failures: string[] = [];
  #longestPauseMs = 0;

  constructor(options: SteadyLoadOptions) {
    this.#options = options;
    this.#ended = this.#run();
  }

  /** The longest pause of the requests that have ended since the last call. */
  takeLongestPause(): number {
    const longest = this.#longestPauseMs;
    this.#longestPauseMs = 0;
    return Math.round(longest);
  }

  get failures(): readonly string[] {
    return this.#failures;
  }

  /** Sends no more requests, and resolves when all answers have ended. Returns their number. */
  async stop(): Promise<number> {
    this.#isStopped = true;
    await this.#ended;
    await Promise.all(this.#running);
    return this.#requests;
  }

  async #run(): Promise<void> {
    const startedAt = performance.now();
    const intervalMs = 1_000 / this.#options.perSecond;
    while (!this.#isStopped) {
      const dueAt = startedAt + this.#requests * intervalMs;
      await delay(Math.max(0, dueAt - performance.now()));
      const request = this.#send(this.#requests).finally(() => this.#running.delete(request));
      this.#running.add(request);
      this.#requests += 1;
    }
  }

  async #send(index: number): Promise<void> {
    try {
      const pauseMs = await this.#options.send(index);
      this.#longestPauseMs = Math.max(this.#longestPauseMs, pauseMs);
    } catch (error) {
      this.#failures.push(`request ${index}: ${String(error)}`);
    }
  }
}
