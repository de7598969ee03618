/**
 * A breaker for each provider. Faults add up and fade; too many close the provider out for a while
 * that doubles, and then one
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
/**
 * After a refusal by a machine that said it had room: its next word may be truer. Each one in a row
 * counts double.
 */
const FIRST_COOLING_MS = 250;
const LONGEST_COOLING_MS = 30_000;
const FORGET_MS = 30 * 60_000;
/** A provider that blames the requests of this many accounts within `BLAME_MS` cools. */
const BLAMED_ACCOUNTS = 3;
const BLAME_MS = 10 * 60_000;

export interface FaultRecord {
  score: number;
  lastAt: number;
  /** How often it was closed out since it last served. */
  openings: number;
  openUntil: number;
  trialUntil: number;
  /** Refusals in a row. */
  refusals: number;
  coolUntil: number;
}

/**
 * A provider's record is always the same object, which changes with it: decisions read it without
 * looking it up.
 */
export class Faults {
  readonly #records = new Map<string, FaultRecord>();
  /**
   * Accounts whose requests a provider blamed lately, with the time of the last one: at most
   * `BLAMED_ACCOUNTS` for each provider.
   */
  readonly #blamed = new Map<string, Map<string, number>>();

  /** Blank for whoever did nothing wrong. */
  record(provider: string): FaultRecord {
    let record = this.#records.get(provider);
    if (record === undefined) {
      record = { ...BLANK };
      this.#records.set(provider, record);
    }
    return record;
  }

  isOpen(provider: string, now: number): boolean {
    const record = this.#records.get(provider);
    return record !== undefined && isClosedOut(record, now);
  }

  /** A job goes there: after a pause it is the trial. */
  chosen(provider: string, now: number): void {
    const record = this.record(provider);
    if (record.openings > 0 && now >= record.openUntil) record.trialUntil = now + TRIAL_MS;
  }

  failed(provider: string, now: number): void {
    const record = this.record(provider);
    record.score = fade(record, now) + 1;
    record.lastAt = now;
    // While it is closed out, more of the same news is of jobs from before.
    if (now < record.openUntil) return;
    const opens = record.openings > 0 || record.score >= OPENS_AT;
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** record.openings);
    record.openings = opens ? record.openings + 1 : 0;
    record.openUntil = opens ? now + pause : 0;
    record.trialUntil = 0;
  }

  /** It did not take a job although it said that it had room. */
  refused(provider: string, now: number): void {
    const record = this.record(provider);
    record.coolUntil = now + Math.min(LONGEST_COOLING_MS, FIRST_COOLING_MS * 2 ** record.refusals);
    record.refusals += 1;
    record.score = fade(record, now);
    record.lastAt = now;
  }

  /**
   * It refused a job and says that the request is at fault. One account must not cool providers by
   * sending bad requests, and a provider
   * must not avoid work by calling good requests bad: only blame of several accounts counts.
   */
  blamed(provider: string, account: string | undefined, now: number): void {
    if (account === undefined) return;
    let accounts = this.#blamed.get(provider);
    if (accounts === undefined) {
      accounts = new Map();
      this.#blamed.set(provider, accounts);
    }
    forgetBefore(accounts, now - BLAME_MS);
    if (accounts.has(account) || accounts.size < BLAMED_ACCOUNTS) accounts.set(account, now);
    if (accounts.size >= BLAMED_ACCOUNTS) this.refused(provider, now);
  }

  served(provider: string, now: number): void {
    const record = this.#records.get(provider);
    if (record === undefined) return;
    record.refusals = 0;
    if (record.score === 0) return;
    record.score = fade(record, now) * SERVED_LEAVES;
    record.lastAt = now;
    const proven = record.openings > 0 ? now >= record.openUntil : record.score < FORGIVEN_BELOW;
    if (proven) Object.assign(record, BLANK);
  }

  /** Forgives what is long ago, and forgets whoever is not there. */
  sweep(now: number, isKnown: (provider: string) => boolean): void {
    for (const [provider, accounts] of this.#blamed) {
      forgetBefore(accounts, now - BLAME_MS);
      if (accounts.size === 0) this.#blamed.delete(provider);
    }
    for (const [provider, record] of this.#records) {
      if ((record.score > 0 || record.refusals > 0) && now - record.lastAt <= FORGET_MS) continue;
      if (isKnown(provider)) Object.assign(record, BLANK);
      else this.#records.delete(provider);
    }
  }
}

/** No job goes there: it waits out its pause, or its trial. */
export function isClosedOut(
  { openUntil, trialUntil }: Readonly<FaultRecord>,
  now: number,
): boolean {
  return now < openUntil || now < trialUntil;
}

const BLANK: FaultRecord = {
  score: 0,
  lastAt: 0,
  openings: 0,
  openUntil: 0,
  trialUntil: 0,
  refusals: 0,
  coolUntil: 0,
};

function forgetBefore(times: Map<string, number>, limit: number): void {
  for (const [name, at] of times) if (at < limit) times.delete(name);
}

const fade = ({ score, lastAt }: FaultRecord, now: number) =>
  score * 2 ** (-(now - lastAt) / HALF_LIFE_MS);
