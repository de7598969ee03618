/** Shortest time after which the reply to a call is late, in milliseconds. */
const LEAST_MS = 300;
/** A reply is late after this many times the mean time of the replies before it. */
const LATE_TIMES = 4;
/** Weight of the newest reply in the mean. */
const WEIGHT = 0.1;

/**
 * How long replies take, by subject, so that a call can tell that it got none in the usual time. Where
 * all copies of a component are slow, no reply is late.
 */
export class ReplyTimes {
  readonly #meansMs = new Map<string, number>();

  lateAfterMs(subject: string): number {
    return Math.max(LEAST_MS, LATE_TIMES * (this.#meansMs.get(subject) ?? 0));
  }

  replied(subject: string, ms: number): void {
    const mean = this.#meansMs.get(subject) ?? ms;
    this.#meansMs.set(subject, mean + WEIGHT * (ms - mean));
  }
}
