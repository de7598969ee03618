import { headers } from '@nats-io/nats-core';
import { RequestError, type RequestMux } from './request-mux.ts';

interface PendingEvent {
  readonly subject: string;
  readonly payload: Uint8Array;
  readonly id: string;
}

/** Facts that wait for a hub that is away; past this the newest are dropped and counted. Money does not depend on them alone: receipts repeat. */
const MAX_WAITING = 100_000;
const MAX_IN_FLIGHT = 256;
const ACK_TIMEOUT_MS = 1_500;
const RETRY_MS = [50, 100, 250, 500, 1_000] as const;

type StoreOutcome = 'stored' | 'refused' | 'failed' | 'closed';

/** `refused` is the stream's own word against this very fact; the others may pass by themselves. */
export class NotStoredError extends Error {
  readonly code: Exclude<StoreOutcome, 'stored'>;

  constructor(code: Exclude<StoreOutcome, 'stored'>, subject: string) {
    super(`${subject}: not stored (${code})`);
    this.name = 'NotStoredError';
    this.code = code;
  }
}

/**
 * Publishes facts to JetStream in the background. Invariant: an event leaves only when the stream has acknowledged it, and
 * the message id makes a repeated publish one stored event.
 */
export class EventPublisher {
  readonly #requests: RequestMux;
  readonly #waiting: PendingEvent[] = [];
  #inFlight = 0;
  #dropped = 0;
  #idle: (() => void)[] = [];

  constructor(requests: RequestMux) {
    this.#requests = requests;
  }

  get dropped(): number {
    return this.#dropped;
  }

  publish(event: PendingEvent): void {
    if (this.#waiting.length >= MAX_WAITING) {
      this.#dropped += 1;
      return;
    }
    this.#waiting.push(event);
    this.#pump();
  }

  /** Resolves when the stream has it; for a fact that somebody else repeats. */
  async publishOnce(event: PendingEvent): Promise<void> {
    const outcome = await this.#store(event);
    if (outcome !== 'stored') throw new NotStoredError(outcome, event.subject);
  }

  async flush(timeoutMs: number): Promise<boolean> {
    if (this.#isIdle()) return true;
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), timeoutMs);
      this.#idle.push(() => {
        clearTimeout(timer);
        resolve(true);
      });
    });
  }

  #isIdle(): boolean {
    return this.#waiting.length === 0 && this.#inFlight === 0;
  }

  #pump(): void {
    while (this.#inFlight < MAX_IN_FLIGHT) {
      const event = this.#waiting.shift();
      if (event === undefined) break;
      this.#inFlight += 1;
      void this.#deliver(event);
    }
  }

  async #deliver(event: PendingEvent): Promise<void> {
    for (let failures = 0; ; failures += 1) {
      const outcome = await this.#store(event);
      if (outcome === 'stored') break;
      if (outcome === 'closed') {
        this.#dropped += 1;
        break;
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS[Math.min(failures, RETRY_MS.length - 1)]));
    }
    this.#inFlight -= 1;
    this.#pump();
    if (this.#isIdle()) for (const resolve of this.#idle.splice(0)) resolve();
  }

  async #store({ subject, payload, id }: PendingEvent): Promise<StoreOutcome> {
    const named = headers();
    named.set('Nats-Msg-Id', id);
    try {
      const { data } = await this.#requests.request(subject, payload, { timeoutMs: ACK_TIMEOUT_MS, headers: named });
      // {"stream":…,"seq":…} or {"error":…}: the stream's answer is short, and its first key tells.
      return Buffer.from(data.buffer, data.byteOffset, data.byteLength).includes('"error"') ? 'refused' : 'stored';
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      return error.code === 'closed' ? 'closed' : 'failed';
    }
  }
}
