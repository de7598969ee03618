const WINDOW_MS = 60_000;
const MAX_NAMES = 100_000;

/** Counts for each name within the current minute, in this process. */
export class MinuteCounts {
  readonly #clock: () => number;
  readonly #counts = new Map<string, number>();
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
    // An attacker with more names than this is not stopped by counting them, and the counts must
    // not fill the memory.
    if (this.#counts.size >= MAX_NAMES) this.#counts.clear();
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
