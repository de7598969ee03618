import type { Msg, MsgHdrs, NatsConnection } from '@nats-io/nats-core';
import { core, randomToken } from '#bus-schemas';
import { OpenCalls, RequestError } from './open-calls.ts';
import { ReplyTimes } from './reply-times.ts';

const NO_RESPONDERS = 503;
const TOKEN_LENGTH = 16;
/** Before the token of a request that was sent to every copy of its component. */
const AGAIN = '-';

/**
 * Requests over one shared inbox. The library's own requests create an error with a stack for each
 * call, which costs more than the request. Its requests also wait for their whole timeout when the
 * connection is lost, although it helps to repeat them at once.
 */
export class RequestMux {
  readonly #connection: NatsConnection;
  readonly #inbox = `_INBOX.${randomToken(TOKEN_LENGTH)}`;
  readonly #open = new OpenCalls<Msg>();
  readonly #times = new ReplyTimes();
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
    return this.#ask(subject, payload, { timeoutMs, headers }).answer;
  }

  /**
   * Sends a request to one copy of a component and, if its reply is late, to every copy: the one that
   * got it may be frozen or cut off while the hub still counts it. The first reply counts.
   */
  async requestOfCopies(
    subject: string,
    payload: Uint8Array,
    { timeoutMs, headers }: { timeoutMs: number; headers?: MsgHdrs },
  ): Promise<Msg> {
    const begunAt = performance.now();
    const { token, answer } = this.#ask(subject, payload, { timeoutMs, headers });
    const late = setTimeout(
      () => {
        if (this.#isConnected && !isLeaving(this.#connection))
          this.#publish(core.everyCopy(subject), payload, { token: AGAIN + token, headers });
      },
      this.#times.lateAfterMs(subject, timeoutMs),
    );
    try {
      const message = await answer;
      this.#times.replied(subject, performance.now() - begunAt);
      return message;
    } finally {
      clearTimeout(late);
    }
  }

  #ask(
    subject: string,
    payload: Uint8Array,
    { timeoutMs, headers }: { timeoutMs: number; headers: MsgHdrs | undefined },
  ): { readonly token: string; readonly answer: Promise<Msg> } {
    if (isLeaving(this.#connection))
      return { token: '', answer: Promise.reject(new RequestError('closed', subject)) };
    const opened = this.#open.open(subject, timeoutMs);
    this.#publish(subject, payload, { token: opened.token, headers });
    return opened;
  }

  #publish(
    subject: string,
    payload: Uint8Array,
    { token, headers }: { token: string; headers: MsgHdrs | undefined },
  ): void {
    this.#connection.publish(subject, payload, {
      reply: `${this.#inbox}.${token}`,
      ...(headers && { headers }),
    });
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
    const isRefused = message.data.length === 0 && message.headers?.code === NO_RESPONDERS;
    const isAgain = token.startsWith(AGAIN);
    if (!isRefused) this.#open.answered(isAgain ? token.slice(AGAIN.length) : token, message);
    // The first copy may still answer.
    else if (!isAgain) this.#open.fail(token, 'no_responders');
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

/** The same for both messages of a request, of which one went to every copy of its component. */
export function requestIdOf(inbox: string): string {
  const start = inbox.lastIndexOf('.') + 1;
  return inbox.startsWith(AGAIN, start)
    ? inbox.slice(0, start) + inbox.slice(start + AGAIN.length)
    : inbox;
}

/**
 * True if the connection is closed or drains. The inbox is already unsubscribed while it drains: an
 * answer could not arrive, and the library throws instead of sending.
 */
export const isLeaving = (connection: NatsConnection): boolean =>
  connection.isClosed() || connection.isDraining();
