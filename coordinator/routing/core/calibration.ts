/**
 * What machines claim of the time to their first content, against what was seen. The estimate of a
 * delay is rough, and rough in the same way for all: so a machine is compared with the fleet, and
 * only one that is far later than the others, by its own figures, counts as so much slower. What is
 * within the common error changes nothing; no machine counts as faster than it claims.
 */
/**
 * Weight of the newest answer, and of the second: the more it weighs, the sooner a false claim is
 * found.
 */
const NEWEST = 0.2;
const NEWEST_OF_FEW = 0.5;
const NEWEST_OF_FLEET = 0.005;
/** Beyond it a machine does not do what it says. */
const COMMON_ERROR = 3;
/** False claims are bounded by the chip (speed-bounds.ts); this bounds one absurd measurement. */
const MOST = 1_000;
/** Of what the bus and the timers add: short answers are not measured by them. */
const GIVEN_MS = 50;
const HALF_LIFE_MS = 5 * 60_000;

export interface Pace {
  /** What it takes, of what its own figures promise. */
  factor: number;
}

interface Seen extends Pace {
  /** The logarithm of how much later than expected it is, on average. */
  late: number;
  answers: number;
}

/**
 * A provider's pace is always the same object, which changes with it: decisions read it without
 * looking it up.
 */
export class Calibration {
  readonly #seen = new Map<string, Seen>();
  #fleetLate = 0;
  #sweptAt = 0;

  of(provider: string): Readonly<Pace> {
    return this.#of(provider);
  }

  /** `expectedMs` is by its own figures, whatever was learned before. */
  learn(provider: string, { expectedMs, tookMs }: { expectedMs: number; tookMs: number }): void {
    const seen = this.#of(provider);
    const late = Math.log((Math.max(0, tookMs) + GIVEN_MS) / (expectedMs + GIVEN_MS));
    // The first answer alone can be an accident: it weighs as little as any later one.
    const weight = seen.answers === 0 ? NEWEST : Math.max(NEWEST, NEWEST_OF_FEW / seen.answers);
    seen.answers += 1;
    seen.late += weight * (late - seen.late);
    this.#fleetLate += NEWEST_OF_FLEET * (late - this.#fleetLate);
    this.#judge(seen);
  }

  /**
   * Forgets whoever is not there, and little by little what was seen: whoever gets no work must be
   * tried again some time.
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
