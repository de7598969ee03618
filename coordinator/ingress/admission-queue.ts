import { ApiError } from '#http-api/errors.ts';

/**
 * Requests that begin in one turn of the event loop. Fewer would make a burst slower; more would
 * make turns so long that running streams stutter.
 */
const PER_TURN = 64;
/** Requests that wait, however short the turns are. */
const MAX_WAITING = 4_096;

export interface AdmissionQueueOptions {
  /** Time for which a request may wait before it begins, in milliseconds. */
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
  #turnBeganAt = 0;
  /** Time of a turn in which requests waited, as a moving average in milliseconds. */
  #turnMs = 0;
  #isTurnCounted = false;

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
    return length >= MAX_WAITING || (length / PER_TURN) * this.#turnMs > this.#mostMs;
  }

  /** Waits until the request may begin. Throws if it is refused. */
  async enter(): Promise<void> {
    if (this.isFull) throw new ApiError('overloaded');
    if (this.#waiting.length === 0 && this.#begun < PER_TURN) return this.#count();
    const { promise, resolve: begin } = Promise.withResolvers<void>();
    this.#waiting.push(begin);
    return promise;
  }

  #count(): void {
    this.#begun += 1;
    if (this.#isTurnCounted) return;
    this.#isTurnCounted = true;
    this.#turnBeganAt = this.#clock();
    setImmediate(() => this.#nextTurn());
  }

  #nextTurn(): void {
    this.#isTurnCounted = false;
    this.#begun = 0;
    if (this.#waiting.length === 0) return;
    this.#turnMs = (this.#turnMs + this.#clock() - this.#turnBeganAt) / 2;
    for (const begin of this.#waiting.splice(0, PER_TURN)) {
      this.#count();
      begin();
    }
  }
}
