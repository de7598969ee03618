import { WindowCounts } from '#coordinator/window-counts.ts';

/**
 * An honest machine ends only a few jobs per second. A machine that was disconnected for a long
 * time sends its stored receipts within a minute at this rate.
 */
const MAX_PER_SECOND = 200;

/**
 * Counts the receipts of each machine in the current second. Without this quota, one hostile
 * machine could occupy settlement and the database with false receipts. Receipts beyond the quota
 * are not acknowledged, so an honest machine sends them again.
 */
export class ReceiptQuota {
  readonly #sent: WindowCounts;

  constructor(now: () => number) {
    this.#sent = new WindowCounts({ windowMs: 1_000, now });
  }

  isSpent(provider: string): boolean {
    return this.#sent.of(provider) >= MAX_PER_SECOND;
  }

  /** Returns false when the machine has used up its quota for this second. */
  take(provider: string): boolean {
    if (this.isSpent(provider)) return false;
    this.#sent.add(provider);
    return true;
  }
}
