import { setTimeout as delay } from 'node:timers/promises';
import type { ConsumerMessages, JsMsg } from '@nats-io/jetstream';
import type { Logger } from 'pino';
import type { DurableConsumer } from '#bus-schemas';
import type { Bus } from './bus.ts';

/** Messages that the hub may send ahead of their acknowledgements. */
const MAX_MESSAGES = 1_024;
const RETRY_MS = 1_000;

export interface DurableReaderOptions {
  readonly bus: Bus;
  readonly consumer: DurableConsumer;
  readonly log: Logger;
  /** Is called with each message, and must acknowledge it once its result is stored. */
  readonly handle: (message: JsMsg) => void;
  /** Is called before the consumer is opened, each time. */
  readonly onOpen?: () => Promise<void>;
}

/**
 * Reads a durable consumer of JetStream and opens it again whenever reading ends, for example
 * because the hub restarted. A message that is not acknowledged is delivered again.
 */
export class DurableReader implements AsyncDisposable {
  readonly #options: DurableReaderOptions;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  #messages: ConsumerMessages | undefined;

  constructor(options: DurableReaderOptions) {
    this.#options = options;
    this.#done = this.#read();
  }

  async #read(): Promise<void> {
    const { consumer, log, onOpen } = this.#options;
    while (!this.#stop.signal.aborted) {
      try {
        await onOpen?.();
        await this.#readUntilClosed();
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        log.warn(
          { err: error, stream: consumer.stream, consumer: consumer.name },
          'messages cannot be read from the stream; the next try is in a second',
        );
        await this.#pause();
      }
    }
  }

  async #readUntilClosed(): Promise<void> {
    const { bus, consumer, handle } = this.#options;
    const durable = await bus.jetstream.consumers.get(consumer.stream, consumer.name);
    // This uses a callback and no iterator. A stop would discard the iterator's queue, and the hub
    // would deliver the discarded messages again only after its acknowledgement timeout.
    this.#messages = await durable.consume({ max_messages: MAX_MESSAGES, callback: handle });
    if (this.#stop.signal.aborted) await this.#messages.close();
    const failure = await this.#messages.closed();
    if (failure) throw failure;
  }

  /** Ends early when the reader is stopped. */
  async #pause(): Promise<void> {
    await delay(RETRY_MS, undefined, { signal: this.#stop.signal }).catch(() => undefined);
  }

  /**
   * After this, no message is handled any more. If the hub does not answer, the end of reading is
   * awaited for one second only.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#messages?.close();
    await Promise.race([this.#done, delay(RETRY_MS, undefined, { ref: false })]);
  }
}
