/** Number of slots of one millisecond, and thus the longest wait in milliseconds plus one. */
const SLOTS = 4_096;

/** Runs many callbacks after delays of milliseconds with a single timer of Node. */
export class TimerWheel {
  readonly #slots: (() => void)[][] = Array.from({ length: SLOTS }, () => []);
  readonly #clock: () => number;
  #timer: NodeJS.Timeout | undefined;
  /** The slot time for which the timer is set. */
  #wakesAt = 0;
  #at: number;
  #waiting = 0;
  #turning = false;

  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock;
    this.#at = Math.floor(clock());
  }

  /**
   * Calls `run` once, at the earliest after `delayMs` and as soon as the event loop allows. A delay
   * longer than `SLOTS - 1` ms is shortened to that.
   */
  after(delayMs: number, run: () => void): void {
    const now = Math.floor(this.#clock());
    // While #turn runs it alone moves #at: if #at jumped ahead here, #turn would skip the new slot.
    if (this.#waiting === 0 && !this.#turning) this.#at = now;
    const due = Math.max(now, this.#at) + Math.min(SLOTS - 1, Math.max(1, Math.ceil(delayMs)));
    this.#slots[due % SLOTS]?.push(run);
    this.#waiting += 1;
    if (!this.#turning) this.#sleepUntil(due);
  }

  /** Sets the timer, unless it is set for an earlier time. A quiet wheel must cost nothing. */
  #sleepUntil(due: number): void {
    if (this.#timer !== undefined && this.#wakesAt <= due) return;
    clearTimeout(this.#timer);
    this.#wakesAt = due;
    this.#timer = setTimeout(() => this.#turn(), Math.max(1, due - this.#clock()));
  }

  #turn(): void {
    this.#timer = undefined;
    const now = Math.floor(this.#clock());
    this.#turning = true;
    for (; this.#at < now; this.#at += 1) this.#runSlot((this.#at + 1) % SLOTS);
    this.#turning = false;
    if (this.#waiting > 0) this.#sleepUntil(this.#firstDue());
  }

  #firstDue(): number {
    let due = this.#at + 1;
    while (this.#slots[due % SLOTS]?.length === 0) due += 1;
    return due;
  }

  #runSlot(slot: number): void {
    const due = this.#slots[slot];
    if (due === undefined || due.length === 0) return;
    this.#slots[slot] = [];
    this.#waiting -= due.length;
    for (const run of due) run();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const slot of this.#slots) slot.length = 0;
    this.#waiting = 0;
  }
}
