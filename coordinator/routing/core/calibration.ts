import type { StoredAt, StoredPace } from './machine-memory.ts';

/**
 * Compares the measured time to the first content with the time predicted from each machine's own
 * figures. The prediction is rough, and wrong by a similar factor for all machines. Therefore the
 * ratio of the two for one machine is compared with the average ratio of the fleet, and the machine
 * counts as slower only if its ratio is at least `COMMON_ERROR` times the average. A machine never
 * counts as faster than predicted.
 */
/**
 * Weights of the newest answer in a moving average: of one machine, of a machine with few answers
 * (divided by their number), and of the whole fleet. A larger weight finds a false claim sooner.
 */
const NEW_ANSWER_WEIGHT = 0.2;
const EARLY_ANSWER_WEIGHT = 0.5;
const FLEET_ANSWER_WEIGHT = 0.005;
/**
 * A ratio to the fleet's average below this is within the error of the prediction, and counts as 1.
 */
const COMMON_ERROR = 3;
/**
 * Upper limit of the slowdown, so that one absurd measurement cannot shut a machine out. False
 * claims of speed are limited by the chip instead (speed-bounds.ts).
 */
const MAX_SLOWDOWN = 1_000;
/**
 * Added to both sides of the ratio, in milliseconds, so that the fixed delay of bus and timers does
 * not dominate short answers.
 */
const OVERHEAD_MS = 50;
const HALF_LIFE_MS = 5 * 60_000;
/** A stored pace older than twelve half-lives has lost all of its effect. */
const FORGET_MS = 12 * HALF_LIFE_MS;

export interface Pace {
  /**
   * Measured time divided by the time predicted from the provider's own figures, relative to the
   * fleet; 1 means as predicted.
   */
  slowdown: number;
}

interface DelayRecord extends Pace {
  /** Moving average of the logarithm of measured time divided by predicted time. */
  logDelay: number;
  answers: number;
  /** Time of the last answer. */
  lastAt: number;
}

/**
 * Each provider has one pace object for its whole life, and updates change it in place. Decisions
 * keep a reference to it and need no lookup.
 */
export class Calibration {
  readonly #records = new Map<string, DelayRecord>();
  #fleetLogDelay = 0;
  /** Whether `#fleetLogDelay` is measured, by this router or by an earlier one. */
  #isFleetKnown = false;
  #sweptAt: number | undefined;

  of(provider: string): Readonly<Pace> {
    return this.#of(provider);
  }

  /**
   * `expectedMs` is predicted from the provider's own figures only, without earlier corrections.
   */
  learn(
    provider: string,
    { expectedMs, tookMs }: { expectedMs: number; tookMs: number },
    now: number,
  ): void {
    this.#sweptAt ??= now;
    const record = this.#of(provider);
    if (record.answers === 0) record.logDelay = this.#fleetLogDelay;
    const late = Math.log((Math.max(0, tookMs) + OVERHEAD_MS) / (expectedMs + OVERHEAD_MS));
    // The first answer may be an outlier: it gets the weight of any later one.
    const weight =
      record.answers === 0
        ? NEW_ANSWER_WEIGHT
        : Math.max(NEW_ANSWER_WEIGHT, EARLY_ANSWER_WEIGHT / record.answers);
    record.answers += 1;
    record.logDelay += weight * (late - record.logDelay);
    record.lastAt = now;
    this.#fleetLogDelay += FLEET_ANSWER_WEIGHT * (late - this.#fleetLogDelay);
    this.#isFleetKnown = true;
    this.#updateSlowdown(record);
  }

  /** The provider's pace in the form that is stored; undefined if no answer was measured. */
  stored(provider: string, now: number): StoredPace | undefined {
    const record = this.#records.get(provider);
    if (record === undefined || record.answers === 0) return undefined;
    const { logDelay, answers, lastAt } = record;
    const logExcess = (logDelay - this.#fleetLogDelay) * faded(now - (this.#sweptAt ?? now));
    return {
      logExcess,
      fleetLogDelay: this.#fleetLogDelay,
      answers,
      quietMs: Math.max(0, now - lastAt),
    };
  }

  /**
   * Takes over a pace that was stored at the time `at`, less its decay since then, unless this
   * router has measured a later answer itself. A router that has measured nothing yet also takes
   * over how late the fleet is, because a pace is relative to it.
   */
  restore(provider: string, stored: StoredPace, { at, now, isOwn }: StoredAt): void {
    if (now - at > FORGET_MS) return;
    this.#sweptAt ??= now;
    if (!this.#isFleetKnown) {
      this.#fleetLogDelay = stored.fleetLogDelay;
      this.#isFleetKnown = true;
    }
    const record = this.#of(provider);
    const lastAt = at - stored.quietMs;
    if (record.answers > 0 && (isOwn || record.lastAt >= lastAt)) return;
    // The next sweep applies the decay since the last one, to this pace as well.
    const decayed = faded(now - at) / faded(now - this.#sweptAt);
    record.logDelay = this.#fleetLogDelay + stored.logExcess * decayed;
    record.answers = stored.answers;
    record.lastAt = lastAt;
    this.#updateSlowdown(record);
  }

  /**
   * Drops providers that have left, and moves the averages of all others towards the fleet's
   * average. Without this, a provider that gets no work because it was slow would never be tried
   * again.
   */
  sweep(now: number, isKnown: (provider: string) => boolean): void {
    const left = faded(now - (this.#sweptAt ?? now));
    this.#sweptAt = now;
    for (const [provider, record] of this.#records) {
      if (!isKnown(provider)) this.#records.delete(provider);
      // A machine without an answer counts as average, whenever it joined.
      const excess = record.answers === 0 ? 0 : (record.logDelay - this.#fleetLogDelay) * left;
      record.logDelay = this.#fleetLogDelay + excess;
      this.#updateSlowdown(record);
    }
  }

  #updateSlowdown(record: DelayRecord): void {
    const factor = Math.exp(record.logDelay - this.#fleetLogDelay);
    record.slowdown = factor < COMMON_ERROR ? 1 : Math.min(MAX_SLOWDOWN, factor);
  }

  #of(provider: string): DelayRecord {
    let record = this.#records.get(provider);
    if (record === undefined) {
      record = { slowdown: 1, logDelay: this.#fleetLogDelay, answers: 0, lastAt: 0 };
      this.#records.set(provider, record);
    }
    return record;
  }
}

const faded = (ageMs: number) => 2 ** (-ageMs / HALF_LIFE_MS);
