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
}

/**
 * Each provider has one pace object for its whole life, and updates change it in place. Decisions
 * keep a reference to it and need no lookup.
 */
export class Calibration {
  readonly #records = new Map<string, DelayRecord>();
  #fleetLogDelay = 0;
  #sweptAt = 0;

  of(provider: string): Readonly<Pace> {
    return this.#of(provider);
  }

  /**
   * `expectedMs` is predicted from the provider's own figures only, without earlier corrections.
   */
  learn(provider: string, { expectedMs, tookMs }: { expectedMs: number; tookMs: number }): void {
    const record = this.#of(provider);
    const late = Math.log((Math.max(0, tookMs) + OVERHEAD_MS) / (expectedMs + OVERHEAD_MS));
    // The first answer may be an outlier: it gets the weight of any later one.
    const weight =
      record.answers === 0
        ? NEW_ANSWER_WEIGHT
        : Math.max(NEW_ANSWER_WEIGHT, EARLY_ANSWER_WEIGHT / record.answers);
    record.answers += 1;
    record.logDelay += weight * (late - record.logDelay);
    this.#fleetLogDelay += FLEET_ANSWER_WEIGHT * (late - this.#fleetLogDelay);
    this.#updateSlowdown(record);
  }

  /**
   * Drops providers that have left, and moves the averages of all others towards the fleet's
   * average. Without this, a provider that gets no work because it was slow would never be tried
   * again.
   */
  sweep(now: number, isKnown: (provider: string) => boolean): void {
    const left = 2 ** (-(now - this.#sweptAt) / HALF_LIFE_MS);
    this.#sweptAt = now;
    for (const [provider, record] of this.#records) {
      if (!isKnown(provider)) this.#records.delete(provider);
      record.logDelay = this.#fleetLogDelay + (record.logDelay - this.#fleetLogDelay) * left;
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
      record = { slowdown: 1, logDelay: this.#fleetLogDelay, answers: 0 };
      this.#records.set(provider, record);
    }
    return record;
  }
}
