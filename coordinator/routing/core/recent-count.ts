const STEPS = 10;

/**
 * Counts the events in a sliding window of time, with a resolution of a tenth of the window. It
 * keeps one number for each tenth, so its memory does not grow with the number of events.
 */
export class RecentCount {
  readonly #stepMs: number;
  readonly #counts = new Float64Array(STEPS);
  #step = 0;

  constructor(windowMs: number) {
    this.#stepMs = windowMs / STEPS;
  }

  add(now: number): void {
    this.#turn(now);
    const place = this.#step % STEPS;
    this.#counts[place] = (this.#counts[place] as number) + 1;
  }

  at(now: number): number {
    this.#turn(now);
    return this.#counts.reduce((sum, count) => sum + count, 0);
  }

  #turn(now: number): void {
    const step = Math.max(this.#step, Math.floor(now / this.#stepMs));
    if (step - this.#step >= STEPS) this.#counts.fill(0);
    else
      for (let passed = this.#step + 1; passed <= step; passed += 1)
        this.#counts[passed % STEPS] = 0;
    this.#step = step;
  }
}
