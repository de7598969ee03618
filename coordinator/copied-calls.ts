import type { Msg, NatsConnection } from '@nats-io/nats-core';
import { type ComponentName, core } from '#bus-schemas';
import { LruMap } from '#bus-schemas/lru-map.ts';
import type { CallAnswer } from './own-endpoints.ts';
import { isLeaving, requestIdOf } from './request-mux.ts';

type Call = Pick<Msg, 'data' | 'headers' | 'reply'>;
type AnswerMessage = (message: Call) => Promise<CallAnswer>;

/** More than a copy gets from the first message of a call to its second one. */
const REMEMBERED = 16_384;

/**
 * The calls that every copy of a component receives, because the copy that got them first has not
 * answered in the usual time. A copy answers a call once: the late one may be its own.
 */
export class CopiedCalls {
  readonly #connection: NatsConnection;
  readonly #served = new Map<string, AnswerMessage>();
  /**
   * The last calls that this copy began to answer. The second message of a call may arrive after its
   * answer, and some calls count, such as those that limit the requests of a key.
   */
  readonly #begun = new LruMap<string, true>(REMEMBERED);

  constructor(connection: NatsConnection) {
    this.#connection = connection;
  }

  /** Answers a call that came to this copy alone. */
  first(message: Call, answer: AnswerMessage): Promise<CallAnswer> {
    this.#begun.set(requestIdOf(message.reply ?? ''), true);
    return answer(message);
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
    if (answer === undefined || this.#begun.get(requestIdOf(message.reply ?? ''))) return;
    const { data, failure } = await this.first(message, answer);
    // Another copy may succeed, so only a success ends the call.
    if (failure === undefined && !isLeaving(this.#connection)) message.respond(data);
  }
}
