/**
 * An honest machine ends only a few jobs per second. A machine that was disconnected for a long
 * time sends its stored receipts within a minute at this rate.
 */
const MAX_PER_SECOND = 200;
const SECOND_MS = 1_000;

/**
 * Counts the receipts of each machine in the current second. Without this quota, one hostile
 * machine could occupy settlement and the database with false receipts. Receipts beyond the quota
 * are not acknowledged, so an honest machine sends them again.
 */
export class ReceiptQuota {
  readonly #now: () => number;
  readonly #sent = new Map<string, number>();
  #since = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  isSpent(provider: string): boolean {
    this.#begin();
    return (this.#sent.get(provider) ?? 0) >= MAX_PER_SECOND;
  }

  /** Returns false when the machine has used up its quota for this second. */
  take(provider: string): boolean {
    if (this.isSpent(provider)) return false;
    this.#sent.set(provider, (this.#sent.get(provider) ?? 0) + 1);
    return true;
  }

  /**
   * Clears the counts when a new second begins, so that the map holds only the machines that sent a
   * receipt within one second.
   */
  #begin(): void {
    if (this.#now() - this.#since < SECOND_MS) return;
    this.#since = this.#now();
    this.#sent.clear();
  }
}
