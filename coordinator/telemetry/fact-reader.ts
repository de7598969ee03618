import type { JsMsg } from '@nats-io/jetstream';
import type { Logger } from 'pino';
import type { DurableConsumer } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { DurableReader } from '#coordinator/durable-reader.ts';

const BATCH = 512;
const GATHER_MS = 500;
const RETRY_MS = 2_000;

export interface FactReaderOptions {
  readonly bus: Bus;
  readonly consumer: DurableConsumer;
  readonly log: Logger;
  /** Called with the number of facts that the stream removed before they were read. */
  readonly onLost: (facts: number) => void;
  /**
   * Resolves when all messages are stored. The same fact may arrive twice, if another process was
   * killed before it acknowledged the fact.
   */
  readonly store: (messages: readonly JsMsg[]) => Promise<void>;
}

const CHECK_EVERY_MS = 60_000;
/**
 * Maximum number of remembered facts. It exceeds the number of messages that JetStream delivers
 * without acknowledgement. The oldest is dropped first: a fact that is forgotten too early would be
 * counted twice.
 */
const MAX_REMEMBERED = 16_384;

/**
 * Reads a durable consumer in batches and acknowledges each fact after it is stored. Gathering a
 * batch delays the counts by up to half a second and makes them cheap.
 */
export class FactReader implements AsyncDisposable {
  readonly #options: FactReaderOptions;
  readonly #reader: DurableReader;
  #gathered: JsMsg[] = [];
  #timer: NodeJS.Timeout | undefined;
  #storing: Promise<void> = Promise.resolve();
  #stopped = false;
  /** Facts that this process stored. If their acknowledgement is lost, they are delivered again. */
  readonly #stored = new Set<string>();
  #lostUntil = 0;
  readonly #checker: NodeJS.Timeout;

  constructor(options: FactReaderOptions) {
    this.#options = options;
    this.#checker = setInterval(() => void this.#checkForGap(), CHECK_EVERY_MS);
    const { bus, consumer, log } = options;
    this.#reader = new DurableReader({
      bus,
      consumer,
      log,
      handle: (message) => this.#gather(message),
      onOpen: () => this.#checkForGap(),
    });
  }

  /**
   * Retention removes facts by age and size, even unread ones. Facts between the last acknowledged
   * one and the first remaining one were never stored.
   */
  async #checkForGap(): Promise<void> {
    const { bus, consumer, log, onLost } = this.#options;
    try {
      const manager = await bus.manager();
      const { ack_floor: floor } = await manager.consumers.info(consumer.stream, consumer.name);
      const { state } = await manager.streams.info(consumer.stream);
      const from = Math.max(floor.stream_seq, this.#lostUntil);
      const lost = state.first_seq - 1 - from;
      if (lost <= 0) return;
      this.#lostUntil = state.first_seq - 1;
      onLost(lost);
      log.error(
        { stream: consumer.stream, from: from + 1, until: this.#lostUntil, facts: lost },
        'facts were removed from the stream before telemetry read them',
      );
    } catch (error) {
      if (!this.#stopped)
        log.warn(
          { err: error, consumer: consumer.name },
          'telemetry cannot check whether facts were lost; it tries again within a minute',
        );
    }
  }

  #gather(message: JsMsg): void {
    if (this.#stored.has(nameOf(message))) return message.ack();
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

  /** Tries again until the batch is stored or the reader stops. */
  async #store(batch: readonly JsMsg[]): Promise<void> {
    while (true) {
      try {
        await this.#options.store(batch);
        for (const message of batch) {
          this.#remember(nameOf(message));
          message.ack();
        }
        return;
      } catch (error) {
        this.#options.log.warn(
          { err: error },
          'facts could not be stored; telemetry tries again in two seconds',
        );
        if (this.#stopped) return;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  #remember(name: string): void {
    this.#stored.add(name);
    if (this.#stored.size <= MAX_REMEMBERED) return;
    const [oldest] = this.#stored;
    if (oldest !== undefined) this.#stored.delete(oldest);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#checker);
    await this.#reader[Symbol.asyncDispose]();
    this.#flush();
    await this.#storing;
  }
}

/**
 * The name contains the time, because a stream that was deleted and created again gives the same
 * numbers to other facts.
 */
const nameOf = ({ seq, info }: JsMsg) => `${seq} ${info.timestampNanos}`;
