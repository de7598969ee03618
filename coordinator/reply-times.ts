/** Shortest time after which the reply to a call is late, in milliseconds. */
const LEAST_MS = 300;
/** A reply is late after this many times the mean time of the replies before it. */
const LATE_TIMES = 4;
/** Part of the time for a call after which its reply is late in any case. */
const LATEST_PART = 0.5;
/** Weight of the newest reply in the mean. */
const WEIGHT = 0.1;

/**
 * How long replies take, by subject, so that a call can tell that it got none in the usual time. Where
 * all copies of a component are slow, few replies are late.
 */
export class ReplyTimes {
  readonly #meansMs = new Map<string, number>();

  lateAfterMs(subject: string, timeoutMs: number): number {
    const usual = LATE_TIMES * (this.#meansMs.get(subject) ?? 0);
    return Math.min(Math.max(LEAST_MS, usual), LATEST_PART * timeoutMs);
  }

  replied(subject: string, ms: number): void {
    const mean = this.#meansMs.get(subject) ?? 0;
    this.#meansMs.set(subject, mean + WEIGHT * (ms - mean));
  }
}
