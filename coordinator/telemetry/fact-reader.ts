import type { ConsumerMessages, JsMsg } from '@nats-io/jetstream';
import type { Logger } from 'pino';
import type { DurableConsumer } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';

const BATCH = 512;
const GATHER_MS = 500;
const RETRY_MS = 2_000;

export interface FactReaderOptions {
  readonly bus: Bus;
  readonly consumer: DurableConsumer;
  readonly log: Logger;
  /** Resolves when all of them are stored. */
  readonly store: (messages: readonly JsMsg[]) => Promise<void>;
}

/** Reads a durable consumer in batches, acknowledging what was stored. Counts may be half a second late; that keeps them cheap. */
export class FactReader implements AsyncDisposable {
  readonly #options: FactReaderOptions;
  readonly #done: Promise<void>;
  #messages: ConsumerMessages | undefined;
  #gathered: JsMsg[] = [];
  #timer: NodeJS.Timeout | undefined;
  #storing: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: FactReaderOptions) {
    this.#options = options;
    this.#done = this.#read();
  }

  async #read(): Promise<void> {
    const { bus, consumer, log } = this.#options;
    while (!this.#stopped) {
      try {
        const durable = await bus.jetstream.consumers.get(consumer.stream, consumer.name);
        this.#messages = await durable.consume({ max_messages: BATCH * 2 });
        for await (const message of this.#messages) this.#gather(message);
      } catch (error) {
        if (this.#stopped) return;
        log.warn({ err: error, consumer: consumer.name }, 'facts cannot be read; trying again');
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  #gather(message: JsMsg): void {
    this.#gathered.push(message);
    if (this.#gathered.length >= BATCH) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), GATHER_MS);
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const batch = this.#gathered;
    this.#gathered = [];
    if (batch.length > 0) this.#storing = this.#storing.then(() => this.#store(batch));
  }

  /** Tried until it is stored: what came after it must not be acknowledged before it. */
  async #store(batch: readonly JsMsg[]): Promise<void> {
    while (true) {
      try {
        await this.#options.store(batch);
        batch.at(-1)?.ack();
        return;
      } catch (error) {
        this.#options.log.warn({ err: error }, 'facts could not be stored; trying again');
        if (this.#stopped) return;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    this.#messages?.stop();
    this.#flush();
    await this.#storing;
    await Promise.race([this.#done, new Promise((resolve) => setTimeout(resolve, RETRY_MS))]);
  }
}
