import type { NatsConnection } from '@nats-io/nats-core';
import { OpenCalls, RequestError } from './open-calls.ts';
import { isLeaving } from './request-mux.ts';

/** What the caller of a method gets: an encoded reply or, if `failure` is there, the reason. */
export interface CallAnswer {
  readonly data: Uint8Array;
  readonly failure?: { readonly code: number; readonly description: string };
}

/** Answers one call of a method. Never rejects. */
export type AnswerCall = (
  request: Uint8Array,
  traceHeader: string | undefined,
) => Promise<CallAnswer>;

/**
 * Methods that components of this process serve, for callers in the same process: their calls are
 * not written to the socket, and the hub does not handle them. In all other respects they are calls
 * over the bus. Request and reply are encoded, checked and decoded, so that caller and component
 * share no object, and the component runs after the caller's code.
 */
export class OwnEndpoints {
  readonly #connection: NatsConnection;
  readonly #served = new Map<string, AnswerCall>();
  readonly #open = new OpenCalls<CallAnswer>();

  constructor(connection: NatsConnection) {
    this.#connection = connection;
    void connection.closed().then(() => this.#open.failAll('closed'));
  }

  /** Serves a method until the result is disposed of. */
  serve(subject: string, answer: AnswerCall): Disposable {
    this.#served.set(subject, answer);
    return {
      [Symbol.dispose]: () => {
        if (this.#served.get(subject) === answer) this.#served.delete(subject);
      },
    };
  }

  /** Calls a method; returns undefined if no component of this process serves it. */
  call(
    subject: string,
    request: Uint8Array,
    { timeoutMs, traceHeader }: { timeoutMs: number; traceHeader: string | undefined },
  ): Promise<CallAnswer> | undefined {
    const answerCall = this.#served.get(subject);
    if (answerCall === undefined) return undefined;
    if (isLeaving(this.#connection)) return Promise.reject(new RequestError('closed', subject));
    const { token, answer } = this.#open.open(subject, timeoutMs);
    queueMicrotask(async () => this.#open.answered(token, await answerCall(request, traceHeader)));
    return answer;
  }

  /** Rejects all open calls of this subject with `unavailable`. */
  rejectOpen(subject: string): void {
    this.#open.failAllOf(subject, 'unavailable');
  }
}
