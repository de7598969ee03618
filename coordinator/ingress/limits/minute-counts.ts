import { LruMap } from '#bus-schemas';

const WINDOW_MS = 60_000;
const MAX_NAMES = 100_000;

/**
 * Counts for each name within the current minute, in this process. An attacker with more than
 * MAX_NAMES names is not stopped by counting them; the names that are used most stay counted.
 */
export class MinuteCounts {
  readonly #clock: () => number;
  readonly #counts = new LruMap<string, number>(MAX_NAMES);
  #endsAt: number;

  constructor(clock: () => number) {
    this.#clock = clock;
    this.#endsAt = clock() + WINDOW_MS;
  }

  of(name: string): number {
    this.#turn();
    return this.#counts.get(name) ?? 0;
  }

  add(name: string): void {
    this.#turn();
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  takeBack(name: string): void {
    const count = this.#counts.get(name);
    if (count !== undefined && count > 0) this.#counts.set(name, count - 1);
  }

  /** Time until all counts start at 0 again, in milliseconds. */
  get leftMs(): number {
    return Math.max(0, this.#endsAt - this.#clock());
  }

  #turn(): void {
    const now = this.#clock();
    if (now < this.#endsAt) return;
    this.#endsAt = now + WINDOW_MS;
    this.#counts.clear();
  }
}
