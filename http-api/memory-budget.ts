/**
 * Memory that all answers share which are collected whole before they are sent. Each answer is
 * bounded too, but without this budget many answers together could use all memory.
 */
export class MemoryBudget {
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  /** Takes `bytes` from the budget. Returns false, and takes nothing, if less is left. */
  take(bytes: number): boolean {
    if (bytes > this.#left) return false;
    this.#left -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.#left += bytes;
  }
}
