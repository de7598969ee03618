import type { JetStreamClient } from '@nats-io/jetstream';

interface PendingEvent {
  readonly subject: string;
  readonly payload: Uint8Array;
  readonly id: string;
}

/** Facts that wait for a hub that is away; past this the newest are dropped and counted. Money does not depend on them alone: receipts repeat. */
const MAX_WAITING = 100_000;
const MAX_IN_FLIGHT = 256;
const RETRY_MS = [50, 100, 250, 500, 1_000] as const;

/**
 * Publishes facts to JetStream in the background. Invariant: an event leaves only when the stream has acknowledged it, and
 * the message id makes a repeated publish one stored event.
 */
export class EventPublisher {
  readonly #jetstream: JetStreamClient;
  readonly #waiting: PendingEvent[] = [];
  #inFlight = 0;
  #dropped = 0;
  #idle: (() => void)[] = [];

  constructor(jetstream: JetStreamClient) {
    this.#jetstream = jetstream;
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
      try {
        await this.#jetstream.publish(event.subject, event.payload, { msgID: event.id });
        break;
      } catch (error) {
        if (isClosed(error)) {
          this.#dropped += 1;
          break;
        }
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS[Math.min(failures, RETRY_MS.length - 1)]));
      }
    }
    this.#inFlight -= 1;
    this.#pump();
    if (this.#isIdle()) for (const resolve of this.#idle.splice(0)) resolve();
  }
}

function isClosed(error: unknown): boolean {
  return error instanceof Error && (error.name === 'ClosedConnectionError' || error.name === 'DrainingConnectionError');
}
