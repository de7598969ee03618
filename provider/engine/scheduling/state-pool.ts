/**
 * Assigns the state slots of a decoder to sequences, and stores the states after some pages, so that
 * another sequence can continue there.
 *
 *   free → of a sequence → stored (after a page) → free
 *
 * Invariant: nothing writes to a stored state. A sequence that continues it reads it in its first
 * step and writes to a slot of its own; until then it holds the stored state, which is not dropped.
 *
 * The lowest free slot is taken first, because a decoder keeps memory up to the highest slot in use.
 */
export class StatePool {
  readonly #free: boolean[];
  /** The slot of the stored state after each page, the least recently used first. */
  readonly #stored = new Map<number, number>();
  /** Number of sequences that hold a stored state, by slot. */
  readonly #holders: Int32Array;

  constructor(slots: number) {
    this.#free = Array.from({ length: slots }, () => true);
    this.#holders = new Int32Array(slots);
  }

  /** Returns a slot to write to. It drops stored states if no slot is free; undefined if all are used. */
  take(): number | undefined {
    if (!this.#free.includes(true)) this.#dropOldest();
    const slot = this.#free.indexOf(true);
    if (slot === -1) return undefined;
    this.#free[slot] = false;
    return slot;
  }

  release(slot: number): void {
    this.#free[slot] = true;
  }

  /** Stores the state in a slot as the one after a page, if there is none yet. The caller holds it. */
  store(page: number, slot: number): boolean {
    if (this.#stored.has(page)) return false;
    this.#stored.set(page, slot);
    this.#hold(slot, 1);
    return true;
  }

  /** The slot of the stored state after a page. */
  slotOf(page: number): number | undefined {
    return this.#stored.get(page);
  }

  isStored(page: number): boolean {
    return this.#stored.has(page);
  }

  /** Holds the stored state after a page, and returns its slot. */
  hold(page: number): number | undefined {
    const slot = this.#stored.get(page);
    if (slot === undefined) return undefined;
    this.#stored.delete(page);
    this.#stored.set(page, slot);
    this.#hold(slot, 1);
    return slot;
  }

  /** Ends a hold. A state that is no longer stored is freed with its last holder. */
  letGo(slot: number): void {
    this.#hold(slot, -1);
    if (this.#holders[slot] === 0 && !this.#stored.values().some((stored) => stored === slot))
      this.#free[slot] = true;
  }

  /** Drops the state after a page whose content is replaced. */
  forget(page: number): void {
    const slot = this.#stored.get(page);
    if (slot === undefined) return;
    this.#stored.delete(page);
    if (this.#holders[slot] === 0) this.#free[slot] = true;
  }

  /** The highest slot in use, plus one. */
  get used(): number {
    return this.#free.lastIndexOf(false) + 1;
  }

  #hold(slot: number, change: number): void {
    this.#holders[slot] = (this.#holders[slot] as number) + change;
  }

  #dropOldest(): void {
    const oldest = this.#stored.entries().find(([, slot]) => this.#holders[slot] === 0);
    if (oldest !== undefined) this.forget(oldest[0]);
  }
}
