import { setTimeout as delay } from 'node:timers/promises';

/** States of an ingress. While it leaves, it serves requests, and `/readyz` reports 503. */
type DrainState = 'open' | 'leaving' | 'closed';

/**
 * The end of an ingress, in the order that a proxy in front of it needs: first `/readyz` reports
 * 503, while all requests are served; after `noticeMs`, when every proxy has read this and sends its
 * requests to another ingress, new requests are refused.
 */
export class Drain {
  readonly #noticeMs: number;
  readonly #clock: () => number;
  #since: number | undefined;

  constructor(options: { noticeMs: number; clock: () => number }) {
    this.#noticeMs = options.noticeMs;
    this.#clock = options.clock;
  }

  get state(): DrainState {
    if (this.#since === undefined) return 'open';
    return this.#clock() - this.#since < this.#noticeMs ? 'leaving' : 'closed';
  }

  begin(): void {
    this.#since ??= this.#clock();
  }

  /** Opens the ingress again. */
  cancel(): void {
    this.#since = undefined;
  }

  /** Begins, if it has not begun yet, and resolves when new requests are refused. */
  async close(): Promise<void> {
    this.begin();
    while (this.state === 'leaving') await delay(this.#remainingMs);
  }

  get #remainingMs(): number {
    return Math.max(1, (this.#since ?? 0) + this.#noticeMs - this.#clock());
  }
}
