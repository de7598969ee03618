import type { BreakerState } from '#bus-schemas';
import type { StoredAt, StoredFaults } from './machine-memory.ts';

/**
 * A circuit breaker for each provider. Faults add up and fade with time. A provider with too many
 * faults gets no jobs for a pause, which doubles each time. After the pause it gets one job at a
 * time until it completes one.
 */
const OPENS_AT = 2.5;
const HALF_LIFE_MS = 60_000;
const SERVED_LEAVES = 0.5;
const FORGIVEN_BELOW = 0.1;
const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 5 * 60_000;
/**
 * A trial job may never be reported as ended (its client left): after this time, in milliseconds,
 * the provider may be tried again.
 */
const TRIAL_MS = 30_000;
/**
 * First pause after a refusal by a provider that had reported free capacity, in milliseconds: its
 * next report may be more accurate. Each further refusal in a row doubles the pause.
 */
const FIRST_COOLING_MS = 250;
const LONGEST_COOLING_MS = 30_000;
const FORGET_MS = 30 * 60_000;
/** A provider that reports errors in the requests of this many accounts within `BLAME_MS` cools. */
const BLAMED_ACCOUNTS = 3;
const BLAME_MS = 10 * 60_000;

export interface FaultRecord {
  score: number;
  lastAt: number;
  /** Number of pauses since the provider last completed a trial. */
  openings: number;
  openUntil: number;
  trialUntil: number;
  /** Number of refusals in a row. */
  refusals: number;
  coolUntil: number;
  /** Beginning of the last pause or cooling, and the fault or refusal that caused it. */
  closedAt: number;
  because: string;
}

/** A machine that gets no job now, or one at a time. */
export interface OpenBreaker {
  readonly provider: string;
  /** `paused` after faults, `tried` with one job after a pause, `cooling` after a refusal. */
  readonly state: BreakerState;
  /** Time since its beginning, in milliseconds; undefined if a router before this one did not store it. */
  readonly sinceMs?: number;
  /** Time until it gets jobs again, in milliseconds. */
  readonly restMs: number;
  /** Number of pauses, or of refusals in a row. */
  readonly times: number;
  /** The failure of an attempt, or the reason with which the machine refused one. */
  readonly because?: string;
}

/**
 * Each provider has one record object, and updates change it in place. Decisions keep a reference
 * to it and need no lookup.
 */
export class Faults {
  readonly #records = new Map<string, FaultRecord>();
  /**
   * For each provider: the accounts in whose requests it has recently reported an error, with the
   * time of the last report. At most `BLAMED_ACCOUNTS` per provider.
   */
  readonly #blamed = new Map<string, Map<string, number>>();

  /** The record of a provider without faults has only zeros. */
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

  /** Notes that a job goes to this provider. After a pause this job is the trial. */
  chosen(provider: string, now: number): void {
    const record = this.record(provider);
    if (record.openings > 0 && now >= record.openUntil) record.trialUntil = now + TRIAL_MS;
  }

  failed(provider: string, now: number, because = ''): void {
    const record = this.record(provider);
    record.score = fade(record, now) + 1;
    record.lastAt = now;
    // During a pause, further faults come from jobs that were placed before it.
    if (now < record.openUntil) return;
    const opens = record.openings > 0 || record.score >= OPENS_AT;
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** record.openings);
    record.openings = opens ? record.openings + 1 : 0;
    record.openUntil = opens ? now + pause : 0;
    record.trialUntil = 0;
    if (opens) noteCause(record, because, now);
  }

  /** Notes that the provider refused a job although it had reported free capacity. */
  refused(provider: string, now: number, because = ''): void {
    const record = this.record(provider);
    if (!isClosedOut(record, now)) noteCause(record, because, now);
    record.coolUntil = now + Math.min(LONGEST_COOLING_MS, FIRST_COOLING_MS * 2 ** record.refusals);
    record.refusals += 1;
    record.score = fade(record, now);
    record.lastAt = now;
  }

  /**
   * Notes that the provider refused a job and reported an error in the request itself. Only reports
   * about several accounts count. This prevents two attacks: one account cools providers by sending
   * bad requests, and a provider avoids work by calling good requests bad.
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

  /** The record in the form that a later router reads; undefined if it has no faults. */
  stored(provider: string, now: number): StoredFaults | undefined {
    const record = this.#records.get(provider);
    if (record === undefined || isForgotten(record, now)) return undefined;
    const { score, lastAt, openings, openUntil, trialUntil, refusals, coolUntil } = record;
    const { closedAt, because } = record;
    return {
      score,
      quietMs: Math.max(0, now - lastAt),
      openings,
      openMs: Math.max(0, openUntil - now),
      trialMs: Math.max(0, trialUntil - now),
      refusals,
      coolMs: Math.max(0, coolUntil - now),
      ...(closedAt > 0 && { closedMs: Math.max(0, now - closedAt) }),
      ...(because !== '' && { because }),
    };
  }

  /**
   * Merges a record that was stored at the time `at`. Of the two records the worse one counts in
   * each part, so that a provider cannot lose faults because a router restarted or it moved to
   * another cell. If that is too strict, one served job corrects it. An expired record is ignored.
   */
  restore(provider: string, stored: StoredFaults, { at, now }: StoredAt): void {
    const other: FaultRecord = {
      score: stored.score,
      lastAt: at - stored.quietMs,
      openings: stored.openings,
      openUntil: at + Math.min(stored.openMs, LONGEST_PAUSE_MS),
      trialUntil: at + Math.min(stored.trialMs, TRIAL_MS),
      refusals: stored.refusals,
      coolUntil: at + Math.min(stored.coolMs, LONGEST_COOLING_MS),
      closedAt: stored.closedMs === undefined ? 0 : at - stored.closedMs,
      because: stored.because ?? '',
    };
    if (isForgotten(other, now)) return;
    const record = this.record(provider);
    if (record.because === '') Object.assign(record, causeOf(other));
    if (fade(other, now) > fade(record, now) || record.lastAt === 0) {
      record.score = other.score;
      record.lastAt = other.lastAt;
    }
    for (const part of ['openings', 'openUntil', 'trialUntil', 'refusals', 'coolUntil'] as const)
      record[part] = Math.max(record[part], other[part]);
  }

  /** The machines that get no job now because of their faults, the longest pause first. */
  open(now: number): OpenBreaker[] {
    return [...this.#records]
      .flatMap(([provider, record]) => openBreaker(provider, record, now) ?? [])
      .toSorted((one, other) => other.restMs - one.restMs);
  }

  /** Resets records of faults that are old enough, and drops those of providers that have left. */
  sweep(now: number, isKnown: (provider: string) => boolean): void {
    for (const [provider, accounts] of this.#blamed) {
      forgetBefore(accounts, now - BLAME_MS);
      if (accounts.size === 0) this.#blamed.delete(provider);
    }
    for (const [provider, record] of this.#records) {
      if (!isForgotten(record, now)) continue;
      if (isKnown(provider)) Object.assign(record, BLANK);
      else this.#records.delete(provider);
    }
  }
}

/** Whether the provider gets no job now, because of a pause or a running trial. */
export function isClosedOut(
  { openUntil, trialUntil }: Readonly<FaultRecord>,
  now: number,
): boolean {
  return now < openUntil || now < trialUntil;
}

/** The record of a machine as an operator sees it; undefined if it gets jobs. */
function openBreaker(provider: string, record: FaultRecord, now: number): OpenBreaker | undefined {
  const { openUntil, trialUntil, coolUntil, openings, refusals, closedAt, because } = record;
  const [state, until, times] =
    now < openUntil
      ? (['paused', openUntil, openings] as const)
      : now < trialUntil
        ? (['tried', trialUntil, openings] as const)
        : (['cooling', coolUntil, refusals] as const);
  if (now >= until) return undefined;
  return {
    provider,
    state,
    restMs: until - now,
    times,
    ...(closedAt > 0 && { sinceMs: Math.max(0, now - closedAt) }),
    ...(because !== '' && { because }),
  };
}

function noteCause(record: FaultRecord, because: string, now: number): void {
  record.closedAt = now;
  record.because = because;
}

const causeOf = ({ closedAt, because }: FaultRecord) => ({ closedAt, because });

const BLANK: FaultRecord = {
  score: 0,
  lastAt: 0,
  openings: 0,
  openUntil: 0,
  trialUntil: 0,
  refusals: 0,
  coolUntil: 0,
  closedAt: 0,
  because: '',
};

const isForgotten = ({ score, refusals, lastAt }: FaultRecord, now: number) =>
  (score === 0 && refusals === 0) || now - lastAt > FORGET_MS;

function forgetBefore(times: Map<string, number>, limit: number): void {
  for (const [name, at] of times) if (at < limit) times.delete(name);
}

const fade = ({ score, lastAt }: FaultRecord, now: number) =>
  score * 2 ** (-(now - lastAt) / HALF_LIFE_MS);
