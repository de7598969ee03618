/**
 * An honest machine ends some jobs in a second. One that was cut off for long sends what it has
 * kept within a minute.
 */
const MOST_IN_A_SECOND = 200;
const SECOND_MS = 1_000;

/**
 * How many receipts each machine may still send in this second. The rest is not acknowledged, and
 * an honest machine sends it again.
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
    return (this.#sent.get(provider) ?? 0) >= MOST_IN_A_SECOND;
  }

  /** False when it is one too many. */
  take(provider: string): boolean {
    if (this.isSpent(provider)) return false;
    this.#sent.set(provider, (this.#sent.get(provider) ?? 0) + 1);
    return true;
  }

  /**
   * The names of a second are forgotten with it: the map holds machines that sent something in the
   * last one.
   */
  #begin(): void {
    if (this.#now() - this.#since < SECOND_MS) return;
    this.#since = this.#now();
    this.#sent.clear();
  }
}
