/**
 * A breaker for each provider. Faults add up and fade; too many close the provider out for a while that doubles, and then one
 * job at a time tries it until one is served.
 */
const OPENS_AT = 2.5;
const HALF_LIFE_MS = 60_000;
const SERVED_LEAVES = 0.5;
const FORGIVEN_BELOW = 0.1;
const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 5 * 60_000;
/** A trial that nobody ended (its client left) must not keep the provider out for ever. */
const TRIAL_MS = 30_000;
const FORGET_MS = 30 * 60_000;

interface FaultRecord {
  readonly score: number;
  readonly lastAt: number;
  /** How often it was closed out since it last served. */
  readonly openings: number;
  readonly openUntil: number;
  readonly trialUntil: number;
}

export class Faults {
  readonly #records = new Map<string, FaultRecord>();

  isOpen(provider: string, now: number): boolean {
    const record = this.#records.get(provider);
    return record !== undefined && (now < record.openUntil || now < record.trialUntil);
  }

  /** A job goes there: after a pause it is the trial. */
  chosen(provider: string, now: number): void {
    const record = this.#records.get(provider);
    if (record !== undefined && record.openings > 0 && now >= record.openUntil) this.#records.set(provider, { ...record, trialUntil: now + TRIAL_MS });
  }

  failed(provider: string, now: number): void {
    const before = this.#records.get(provider);
    const score = (before === undefined ? 0 : fade(before, now)) + 1;
    const { openings = 0, openUntil = 0, trialUntil = 0 } = before ?? {};
    // While it is closed out, more of the same news is of jobs from before.
    if (now < openUntil) return void this.#records.set(provider, { score, lastAt: now, openings, openUntil, trialUntil });
    const opens = openings > 0 || score >= OPENS_AT;
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** openings);
    this.#records.set(provider, { score, lastAt: now, openings: opens ? openings + 1 : 0, openUntil: opens ? now + pause : 0, trialUntil: 0 });
  }

  served(provider: string, now: number): void {
    const record = this.#records.get(provider);
    if (record === undefined) return;
    const score = fade(record, now) * SERVED_LEAVES;
    const proven = record.openings > 0 ? now >= record.openUntil : score < FORGIVEN_BELOW;
    if (proven) this.#records.delete(provider);
    else this.#records.set(provider, { ...record, score, lastAt: now });
  }

  sweep(now: number): void {
    for (const [provider, { lastAt }] of this.#records) if (now - lastAt > FORGET_MS) this.#records.delete(provider);
  }
}

const fade = ({ score, lastAt }: FaultRecord, now: number) => score * 2 ** (-(now - lastAt) / HALF_LIFE_MS);
