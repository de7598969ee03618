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
const NEWEST = 0.2;
const NEWEST_OF_FEW = 0.5;
const NEWEST_OF_FLEET = 0.005;
/**
 * A ratio to the fleet's average below this is within the error of the prediction, and counts as 1.
 */
const COMMON_ERROR = 3;
/**
 * Upper limit of the slowdown, so that one absurd measurement cannot shut a machine out. False
 * claims of speed are limited by the chip instead (speed-bounds.ts).
 */
const MOST = 1_000;
/**
 * Added to both sides of the ratio, in milliseconds, so that the fixed delay of bus and timers does
 * not dominate short answers.
 */
const GIVEN_MS = 50;
const HALF_LIFE_MS = 5 * 60_000;

export interface Pace {
  /**
   * Measured time divided by the time predicted from the provider's own figures, relative to the
   * fleet; 1 means as predicted.
   */
  factor: number;
}

interface Seen extends Pace {
  /** Moving average of the logarithm of measured time divided by predicted time. */
  late: number;
  answers: number;
}

/**
 * Each provider has one pace object for its whole life, and updates change it in place. Decisions
 * keep a reference to it and need no lookup.
 */
export class Calibration {
  readonly #seen = new Map<string, Seen>();
  #fleetLate = 0;
  #sweptAt = 0;

  of(provider: string): Readonly<Pace> {
    return this.#of(provider);
  }

  /**
   * `expectedMs` is predicted from the provider's own figures only, without earlier corrections.
   */
  learn(provider: string, { expectedMs, tookMs }: { expectedMs: number; tookMs: number }): void {
    const seen = this.#of(provider);
    const late = Math.log((Math.max(0, tookMs) + GIVEN_MS) / (expectedMs + GIVEN_MS));
    // The first answer may be an outlier: it gets the weight of any later one.
    const weight = seen.answers === 0 ? NEWEST : Math.max(NEWEST, NEWEST_OF_FEW / seen.answers);
    seen.answers += 1;
    seen.late += weight * (late - seen.late);
    this.#fleetLate += NEWEST_OF_FLEET * (late - this.#fleetLate);
    this.#judge(seen);
  }

  /**
   * Drops providers that have left, and moves the averages of all others towards the fleet's
   * average. Without this, a provider that gets no work because it was slow would never be tried
   * again.
   */
  sweep(now: number, isKnown: (provider: string) => boolean): void {
    const left = 2 ** (-(now - this.#sweptAt) / HALF_LIFE_MS);
    this.#sweptAt = now;
    for (const [provider, seen] of this.#seen) {
      if (!isKnown(provider)) this.#seen.delete(provider);
      seen.late = this.#fleetLate + (seen.late - this.#fleetLate) * left;
      this.#judge(seen);
    }
  }

  #judge(seen: Seen): void {
    const factor = Math.exp(seen.late - this.#fleetLate);
    seen.factor = factor < COMMON_ERROR ? 1 : Math.min(MOST, factor);
  }

  #of(provider: string): Seen {
    let seen = this.#seen.get(provider);
    if (seen === undefined) {
      seen = { factor: 1, late: this.#fleetLate, answers: 0 };
      this.#seen.set(provider, seen);
    }
    return seen;
  }
}
