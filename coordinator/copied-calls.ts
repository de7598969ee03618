import type { Msg, NatsConnection } from '@nats-io/nats-core';
import { type ComponentName, core } from '#bus-schemas';
import type { CallAnswer } from './own-endpoints.ts';
import { isLeaving, requestIdOf } from './request-mux.ts';

type Call = Pick<Msg, 'data' | 'headers' | 'reply'>;
type AnswerMessage = (message: Call) => Promise<CallAnswer>;

/**
 * The calls that every copy of a component receives, because the copy that got them first has not
 * answered in the usual time. A copy answers a call once: the late one may be its own.
 */
export class CopiedCalls {
  readonly #connection: NatsConnection;
  readonly #served = new Map<string, AnswerMessage>();
  /** The calls that this copy is answering. */
  readonly #open = new Set<string>();

  constructor(connection: NatsConnection) {
    this.#connection = connection;
  }

  /** Answers a call that came to this copy alone. */
  async first(message: Call, answer: AnswerMessage): Promise<CallAnswer> {
    const id = requestIdOf(message.reply ?? '');
    this.#open.add(id);
    try {
      return await answer(message);
    } finally {
      this.#open.delete(id);
    }
  }

  serve(subject: string, answer: AnswerMessage): void {
    this.#served.set(core.everyCopy(subject), answer);
  }

  /** Answers the calls of every copy until the result is disposed of. */
  receive(component: ComponentName): Disposable {
    const subscription = this.#connection.subscribe(core.everyCopyOf(component), {
      callback: (error, message) => {
        if (error === null) void this.#again(message);
      },
    });
    return { [Symbol.dispose]: () => subscription.unsubscribe() };
  }

  async #again(message: Msg): Promise<void> {
    const answer = this.#served.get(message.subject);
    if (answer === undefined || this.#open.has(requestIdOf(message.reply ?? ''))) return;
    const { data, failure } = await this.first(message, answer);
    // Another copy may succeed, so only a success ends the call.
    if (failure === undefined && !isLeaving(this.#connection)) message.respond(data);
  }
}
