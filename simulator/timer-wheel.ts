/** Many things that each want to happen in some milliseconds, on one timer. */
const SLOTS = 4_096;

export class TimerWheel {
  readonly #slots: (() => void)[][] = Array.from({ length: SLOTS }, () => []);
  readonly #clock: () => number;
  #timer: NodeJS.Timeout | undefined;
  #at: number;
  #waiting = 0;
  #turning = false;

  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock;
    this.#at = Math.floor(clock());
  }

  /** Not before `delayMs`, and not later than the event loop allows. Longer than the wheel is cut to the wheel: ask again then. */
  after(delayMs: number, run: () => void): void {
    const now = Math.floor(this.#clock());
    // While it turns it is where it is: from a later place it would miss what is asked for by what it runs.
    if (this.#waiting === 0 && !this.#turning) this.#at = now;
    const due = Math.max(now, this.#at) + Math.min(SLOTS - 1, Math.max(1, Math.ceil(delayMs)));
    this.#slots[due % SLOTS]?.push(run);
    this.#waiting += 1;
    this.#timer ??= setTimeout(() => this.#turn(), 1);
  }

  #turn(): void {
    this.#timer = undefined;
    const now = Math.floor(this.#clock());
    this.#turning = true;
    for (; this.#at < now; this.#at += 1) this.#runSlot((this.#at + 1) % SLOTS);
    this.#turning = false;
    if (this.#waiting > 0) this.#timer ??= setTimeout(() => this.#turn(), 1);
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
    for (const slot of this.#slots) slot.length = 0;
    this.#waiting = 0;
  }
}
