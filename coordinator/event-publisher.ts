import { headers, type MsgHdrs } from '@nats-io/nats-core';
import { streamOf } from '#bus-schemas';
import { CodedError } from '#bus-schemas/coded-error.ts';
import { RequestError } from './open-calls.ts';
import type { RequestMux } from './request-mux.ts';

interface PendingEvent {
  readonly subject: string;
  readonly payload: Uint8Array;
  readonly id: string;
}

/**
 * Limits of the facts that wait because the hub is unreachable or cannot write. Beyond them new
 * facts are dropped and counted. No money is lost, because providers repeat their receipts.
 */
const MAX_WAITING = 100_000;
const MAX_WAITING_BYTES = 64 * 1024 * 1024;
const MAX_IN_FLIGHT = 256;
const ACK_TIMEOUT_MS = 1_500;
const RETRY_MS = [50, 100, 250, 500, 1_000] as const;
/**
 * Time after which a stream that stores nothing is reported, in milliseconds. After a restart of
 * the hub a stream also stores nothing for a moment.
 */
const FAILING_AFTER_MS = 5_000;
const MAX_ERROR_BYTES = 300;

type StoreOutcome = 'stored' | 'refused' | 'failed' | 'closed';

/**
 * A fact that was not stored. `refused`: the stream rejected this fact. The other codes may
 * disappear when the fact is published again.
 */
export class NotStoredError extends CodedError<Exclude<StoreOutcome, 'stored'>> {
  constructor(code: Exclude<StoreOutcome, 'stored'>, subject: string) {
    super(code, `${subject}: the fact was not stored (${code})`);
  }
}

export interface FailingStream {
  readonly stream: string;
  /** The last failure, as text for an operator. */
  readonly error: string;
  readonly forMs: number;
}

/**
 * Publishes facts to JetStream in the background. Invariant: a fact is removed from memory only
 * after the stream has acknowledged it, and its message id makes repeated publishing store it once.
 * Subscribers get each fact at once, even if it cannot be stored: otherwise routing would keep a
 * slot reserved for a job that has ended, because a disk is full.
 */
export class EventPublisher {
  readonly #requests: RequestMux;
  readonly #waiting: PendingEvent[] = [];
  /**
   * For each stream that stores nothing: since when, and the reason. The number of streams is
   * fixed.
   */
  readonly #failing = new Map<string, { since: number; error: string }>();
  #waitingBytes = 0;
  #inFlight = 0;
  #dropped = 0;
  #idle: (() => void)[] = [];

  constructor(requests: RequestMux) {
    this.#requests = requests;
  }

  get dropped(): number {
    return this.#dropped;
  }

  get waiting(): number {
    return this.#waiting.length + this.#inFlight;
  }

  failing(): FailingStream[] {
    const now = performance.now();
    return [...this.#failing]
      .map(([stream, { since, error }]) => ({ stream, error, forMs: Math.round(now - since) }))
      .filter(({ forMs }) => forMs >= FAILING_AFTER_MS);
  }

  publish(event: PendingEvent): void {
    if (
      this.#waiting.length >= MAX_WAITING ||
      this.#waitingBytes + event.payload.length > MAX_WAITING_BYTES
    ) {
      this.#dropped += 1;
      this.#requests.publishNow(event.subject, event.payload, headersOf(event));
      return;
    }
    this.#waiting.push(event);
    this.#waitingBytes += event.payload.length;
    this.#pump();
    // The fact waits behind others that are not stored yet. That may take minutes.
    if (this.#waiting.at(-1) === event)
      this.#requests.publishNow(event.subject, event.payload, headersOf(event));
  }

  /**
   * Publishes a fact once and resolves when the stream has stored it. The caller repeats it if it
   * fails.
   */
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
      this.#waitingBytes -= event.payload.length;
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
      await new Promise((resolve) =>
        setTimeout(resolve, RETRY_MS[Math.min(failures, RETRY_MS.length - 1)]),
      );
    }
    this.#inFlight -= 1;
    this.#pump();
    if (this.#isIdle()) for (const resolve of this.#idle.splice(0)) resolve();
  }

  async #store(event: PendingEvent): Promise<StoreOutcome> {
    const { subject, payload } = event;
    const stream = streamOf(subject) ?? subject;
    try {
      const { data } = await this.#requests.request(subject, payload, {
        timeoutMs: ACK_TIMEOUT_MS,
        headers: headersOf(event),
      });
      // The reply is `{"stream":…,"seq":…}` or `{"error":…}`. Searching the short text is cheaper
      // than parsing it.
      const answer = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
      if (!answer.includes('"error"')) {
        this.#failing.delete(stream);
        return 'stored';
      }
      this.#failed(stream, `refused: ${answer.toString('utf8', 0, MAX_ERROR_BYTES)}`);
      return 'refused';
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      switch (error.code) {
        case 'closed':
          return 'closed';
        case 'timeout':
          this.#failed(
            stream,
            'no confirmation: the disk of the hub is full, or the hub still has an earlier write error (see its log; restart it when the disk has space)',
          );
          return 'failed';
        case 'no_responders':
          this.#failed(
            stream,
            'the stream is missing (dinf migrate creates it), or JetStream is off',
          );
          return 'failed';
        case 'unavailable':
          return 'failed';
      }
    }
  }

  #failed(stream: string, error: string): void {
    this.#failing.set(stream, {
      since: this.#failing.get(stream)?.since ?? performance.now(),
      error,
    });
  }
}

function headersOf({ id }: PendingEvent): MsgHdrs {
  const named = headers();
  named.set('Nats-Msg-Id', id);
  return named;
}
