import { LruMap } from '#bus-schemas';

const MAX_NAMES = 100_000;

interface WindowCountsOptions {
  readonly windowMs: number;
  readonly now: () => number;
}

/**
 * Counts for each name within the current window, in this process. All counts start at 0 again when
 * the window is over; the next one begins with its first use. An attacker with more than MAX_NAMES
 * names is not stopped by counting them; the names that are used most stay counted.
 */
export class WindowCounts {
  readonly #options: WindowCountsOptions;
  readonly #counts = new LruMap<string, number>(MAX_NAMES);
  #endsAt = Number.NEGATIVE_INFINITY;

  constructor(options: WindowCountsOptions) {
    this.#options = options;
  }

  of(name: string): number {
    this.#turn();
    return this.#counts.get(name) ?? 0;
  }

  /** Returns the new count. */
  add(name: string): number {
    const count = this.of(name) + 1;
    this.#counts.set(name, count);
    return count;
  }

  takeBack(name: string): void {
    const count = this.#counts.get(name);
    if (count !== undefined && count > 0) this.#counts.set(name, count - 1);
  }

  /** Time until all counts start at 0 again, in milliseconds. */
  get leftMs(): number {
    return Math.max(0, this.#endsAt - this.#options.now());
  }

  #turn(): void {
    const { windowMs, now: clock } = this.#options;
    const now = clock();
    if (now < this.#endsAt) return;
    this.#endsAt = now + windowMs;
    this.#counts.clear();
  }
}
