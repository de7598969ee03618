import { ApiError } from '#http-api/errors.ts';

/** Most requests that begin in one turn of the event loop. */
const PER_TURN = 64;
/**
 * Longer turns begin fewer requests, in proportion: running streams then have most of the processor
 * already, and every request needs several turns until its answer begins.
 */
const SHORT_TURN_MS = 50;
/** Requests that wait, however short the turns are. */
const MAX_WAITING = 4_096;
/**
 * A burst may wait this many times as long as load that lasts: its queue ends by itself, and the
 * answers of the whole burst are late by that time only.
 */
const BURST = 4;

export interface AdmissionQueueOptions {
  /** Time for which a request may wait before it begins when the load lasts, in milliseconds. */
  readonly mostMs: number;
  readonly clock: () => number;
}

/**
 * Begins requests in the order of their arrival, some in each turn of the event loop, so that a
 * process with more work than its processor can do still ends what it has begun. A request that would
 * wait too long is refused: otherwise all would wait for one another, until none is answered before
 * its client leaves.
 */
export class AdmissionQueue {
  readonly #mostMs: number;
  readonly #clock: () => number;
  readonly #waiting: (() => void)[] = [];
  #begun = 0;
  #isMeasuring = false;
  /** Length of the turns in which requests arrived or waited, as a moving average in milliseconds. */
  #turnMs = 0;
  #measuredAt = 0;
  /** Since when requests have waited without a pause. */
  #waitingSince = 0;

  constructor({ mostMs, clock }: AdmissionQueueOptions) {
    this.#mostMs = mostMs;
    this.#clock = clock;
  }

  /** Number of requests that wait. */
  get size(): number {
    return this.#waiting.length;
  }

  /** Whether a new request would wait too long, as turns take at the moment. */
  get isFull(): boolean {
    const { length } = this.#waiting;
    if (length === 0) return false;
    const burstMs = BURST * this.#mostMs;
    const isBurst = this.#clock() - this.#waitingSince < burstMs;
    const waitMs = (length / this.#perTurn) * this.#turnMs;
    return length >= MAX_WAITING || waitMs > (isBurst ? burstMs : this.#mostMs);
  }

  get #perTurn(): number {
    const share = Math.min(1, SHORT_TURN_MS / this.#turnMs);
    return Math.max(1, Math.floor(PER_TURN * share));
  }

  /** Waits until the request may begin. Throws if it is refused. */
  async enter(): Promise<void> {
    if (this.isFull) throw new ApiError('overloaded');
    if (!this.#isMeasuring) this.#measure();
    if (this.#waiting.length === 0 && this.#begun < this.#perTurn) {
      this.#begun += 1;
      return;
    }
    if (this.#waiting.length === 0) this.#waitingSince = this.#clock();
    const { promise, resolve: begin } = Promise.withResolvers<void>();
    this.#waiting.push(begin);
    return promise;
  }

  /** Measures turns from the end of this one on, as long as requests begin or wait. */
  #measure(): void {
    this.#isMeasuring = true;
    // What was measured long ago says nothing about the turns of a new burst.
    if (this.#clock() - this.#measuredAt > this.#mostMs) this.#turnMs = 0;
    const turnBegins = (endedAt: number | undefined): void => {
      const now = this.#clock();
      this.#measuredAt = now;
      if (endedAt !== undefined) this.#turnMs = (this.#turnMs + now - endedAt) / 2;
      const isIdle = this.#begun === 0 && endedAt !== undefined;
      this.#begun = 0;
      for (const begin of this.#waiting.splice(0, this.#perTurn)) {
        this.#begun += 1;
        begin();
      }
      if (isIdle && this.#begun === 0) this.#isMeasuring = false;
      else setImmediate(turnBegins, now);
    };
    setImmediate(turnBegins, undefined);
  }
}
