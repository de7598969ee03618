/**
 * A breaker for each provider: repeated faults close it out for a while that doubles, then one job tries it.
 */
const OPENS_AFTER = 3;
const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 5 * 60_000;
const FORGET_MS = 30 * 60_000;

interface FaultRecord {
  readonly faults: number;
  readonly openUntil: number;
  readonly lastAt: number;
  /** The one job that may try, after the pause. */
  readonly trying: boolean;
}

export class Faults {
  readonly #records = new Map<string, FaultRecord>();

  isOpen(provider: string, now: number): boolean {
    const record = this.#records.get(provider);
    if (record === undefined || record.faults < OPENS_AFTER) return false;
    return now < record.openUntil || record.trying;
  }

  /** A job goes there: after a pause it is the trial. */
  chosen(provider: string, now: number): void {
    const record = this.#records.get(provider);
    if (record !== undefined && record.faults >= OPENS_AFTER && now >= record.openUntil) this.#records.set(provider, { ...record, trying: true });
  }

  failed(provider: string, now: number): void {
    const faults = (this.#records.get(provider)?.faults ?? 0) + 1;
    const pause = faults < OPENS_AFTER ? 0 : Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (faults - OPENS_AFTER));
    this.#records.set(provider, { faults, openUntil: now + pause, lastAt: now, trying: false });
  }

  served(provider: string): void {
    this.#records.delete(provider);
  }

  sweep(now: number): void {
    for (const [provider, { lastAt }] of this.#records) if (now - lastAt > FORGET_MS) this.#records.delete(provider);
  }
}
