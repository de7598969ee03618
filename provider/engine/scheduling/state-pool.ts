/**
 * Assigns the state slots of a decoder to sequences. The lowest free slot is taken first, because a
 * decoder keeps memory up to the highest slot in use.
 */
export class StatePool {
  readonly #free: boolean[];

  constructor(slots: number) {
    this.#free = Array.from({ length: slots }, () => true);
  }

  /** Returns undefined if all slots are in use. */
  take(): number | undefined {
    const slot = this.#free.indexOf(true);
    if (slot === -1) return undefined;
    this.#free[slot] = false;
    return slot;
  }

  release(slot: number): void {
    this.#free[slot] = true;
  }

  /** The highest slot in use, plus one. */
  get used(): number {
    return this.#free.lastIndexOf(false) + 1;
  }
}
