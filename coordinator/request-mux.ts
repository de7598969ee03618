import type { Msg, MsgHdrs, NatsConnection } from '@nats-io/nats-core';
import { randomToken } from '#bus-schemas';
import { OpenCalls, RequestError } from './open-calls.ts';

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
  readonly #open = new OpenCalls<Msg>();
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
    if (isLeaving(this.#connection)) return Promise.reject(new RequestError('closed', subject));
    const { token, answer } = this.#open.open(subject, timeoutMs);
    this.#connection.publish(subject, payload, {
      reply: `${this.#inbox}.${token}`,
      ...(headers && { headers }),
    });
    return answer;
  }

  /**
   * Publishes a message to the current subscribers. While the hub is unreachable it does nothing,
   * because the library would store the message and send it later.
   */
  publishNow(subject: string, payload: Uint8Array, headers: MsgHdrs): void {
    if (this.#isConnected && !isLeaving(this.#connection))
      this.#connection.publish(subject, payload, { headers });
  }

  /** Rejects all open requests of this subject with `unavailable`. */
  rejectOpen(subject: string): void {
    this.#open.failAllOf(subject, 'unavailable');
  }

  #answered(message: Msg): void {
    const token = message.subject.slice(this.#inbox.length + 1);
    if (message.data.length === 0 && message.headers?.code === NO_RESPONDERS)
      this.#open.fail(token, 'no_responders');
    else this.#open.answered(token, message);
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
      this.#open.failAll('unavailable');
    }
    this.#open.failAll('closed');
  }
}

/**
 * True if the connection is closed or drains. The inbox is already unsubscribed while it drains: an
 * answer could not arrive, and the library throws instead of sending.
 */
export const isLeaving = (connection: NatsConnection): boolean =>
  connection.isClosed() || connection.isDraining();
