interface Happening {
  readonly at: number;
  readonly turn: number;
  readonly run: () => void;
}

/**
 * Virtual time, which jumps from one planned event to the next. Events that are planned for the
 * same moment run in the order in which they were planned.
 */
export class Timeline {
  /** A binary heap: no event comes before its parent, so the earliest event is at index 0. */
  readonly #planned: Happening[] = [];
  #now = 0;
  #turn = 0;

  get now(): number {
    return this.#now;
  }

  at(time: number, run: () => void): void {
    const happening = { at: Math.max(time, this.#now), turn: this.#turn++, run };
    let place = this.#planned.length;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const above = this.#planned[parent] as Happening;
      if (isBefore(above, happening)) break;
      this.#planned[place] = above;
      place = parent;
    }
    this.#planned[place] = happening;
  }

  after(delayMs: number, run: () => void): void {
    this.at(this.#now + delayMs, run);
  }

  /** Runs the first event that is planned up to `end`. Returns false if there is none. */
  runNext(end: number): boolean {
    const first = this.#planned[0];
    if (first === undefined || first.at > end) return false;
    this.#removeFirst();
    this.#now = first.at;
    first.run();
    return true;
  }

  /** Runs all events that are planned up to `end`, and then sets the time to `end`. */
  runUntil(end: number): void {
    while (this.runNext(end));
    this.jumpTo(end);
  }

  /** Sets the time, in which no event may be planned. */
  jumpTo(time: number): void {
    this.#now = Math.max(this.#now, Math.min(time, Number.MAX_SAFE_INTEGER));
  }

  #removeFirst(): void {
    const last = this.#planned.pop() as Happening;
    const { length } = this.#planned;
    if (length === 0) return;
    let place = 0;
    for (;;) {
      const left = 2 * place + 1;
      if (left >= length) break;
      const right = left + 1;
      const least =
        right < length &&
        isBefore(this.#planned[right] as Happening, this.#planned[left] as Happening)
          ? right
          : left;
      const below = this.#planned[least] as Happening;
      if (isBefore(last, below)) break;
      this.#planned[place] = below;
      place = least;
    }
    this.#planned[place] = last;
  }
}

const isBefore = (one: Happening, other: Happening): boolean =>
  one.at < other.at || (one.at === other.at && one.turn < other.turn);
