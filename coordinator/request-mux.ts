import type { Msg, MsgHdrs, NatsConnection } from '@nats-io/nats-core';
import { randomToken } from '#bus-schemas';
import { CodedError } from '#bus-schemas/coded-error.ts';

/**
 * `no_responders`: the hub reports that no process listens on the subject. `unavailable`: the
 * connection broke, or the answer will not come.
 */
export type RequestFailure = 'no_responders' | 'unavailable' | 'timeout' | 'closed';

/** A request that got no answer. */
export class RequestError extends CodedError<RequestFailure> {
  constructor(code: RequestFailure, subject: string) {
    super(code, `${subject}: ${code}`);
  }
}

interface Pending {
  readonly subject: string;
  readonly resolve: (message: Msg) => void;
  readonly reject: (error: RequestError) => void;
  readonly timer: NodeJS.Timeout;
}

const NO_RESPONDERS = 503;
const TOKEN_LENGTH = 16;

/**
 * Requests over one shared inbox. The library's own requests create an error with a stack for each
 * call, which costs more than the request. Its requests also wait for their whole timeout when the
 * connection is lost, although it helps to repeat them at once.
 */
export class RequestMux {
  readonly #connection: NatsConnection;
  readonly #inbox = `_INBOX.${randomToken(TOKEN_LENGTH)}`;
  readonly #pending = new Map<string, Pending>();
  #last = 0;
  #isConnected = true;

  constructor(connection: NatsConnection) {
    this.#connection = connection;
    connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => (error ? undefined : this.#answered(message)),
    });
    void this.#watchConnection();
  }

  request(
    subject: string,
    payload: Uint8Array,
    { timeoutMs, headers }: { timeoutMs: number; headers?: MsgHdrs },
  ): Promise<Msg> {
    // The inbox is already unsubscribed while the connection drains. An answer could not arrive,
    // and the library throws instead of sending.
    if (this.#connection.isClosed() || this.#connection.isDraining())
      return Promise.reject(new RequestError('closed', subject));
    this.#last += 1;
    const token = this.#last.toString(36);
    const { promise, resolve, reject } = Promise.withResolvers<Msg>();
    const timer = setTimeout(() => this.#fail(token, 'timeout'), timeoutMs);
    this.#pending.set(token, { subject, resolve, reject, timer });
    this.#connection.publish(subject, payload, {
      reply: `${this.#inbox}.${token}`,
      ...(headers && { headers }),
    });
    return promise;
  }

  /**
   * Publishes a message to the current subscribers. While the hub is unreachable it does nothing,
   * because the library would store the message and send it later.
   */
  publishNow(subject: string, payload: Uint8Array, headers: MsgHdrs): void {
    if (this.#isConnected && !this.#connection.isClosed() && !this.#connection.isDraining())
      this.#connection.publish(subject, payload, { headers });
  }

  /** Rejects all open requests of this subject with `unavailable`. */
  rejectOpen(subject: string): void {
    for (const [token, pending] of [...this.#pending])
      if (pending.subject === subject) this.#fail(token, 'unavailable');
  }

  #answered(message: Msg): void {
    const token = message.subject.slice(this.#inbox.length + 1);
    if (message.data.length === 0 && message.headers?.code === NO_RESPONDERS)
      return this.#fail(token, 'no_responders');
    const pending = this.#pending.get(token);
    if (pending === undefined) return;
    this.#pending.delete(token);
    clearTimeout(pending.timer);
    pending.resolve(message);
  }

  #fail(token: string, code: RequestFailure): void {
    const pending = this.#pending.get(token);
    if (pending === undefined) return;
    this.#pending.delete(token);
    clearTimeout(pending.timer);
    pending.reject(new RequestError(code, pending.subject));
  }

  /**
   * Rejects the open requests when the connection breaks, because they or their answers may be
   * lost.
   */
  async #watchConnection(): Promise<void> {
    for await (const { type } of this.#connection.status()) {
      if (type === 'reconnect') this.#isConnected = true;
      if (type !== 'disconnect') continue;
      this.#isConnected = false;
      for (const token of [...this.#pending.keys()]) this.#fail(token, 'unavailable');
    }
    for (const token of [...this.#pending.keys()]) this.#fail(token, 'closed');
  }
}
