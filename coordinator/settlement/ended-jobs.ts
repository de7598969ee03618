import type { ConsumerMessages, JsMsg } from '@nats-io/jetstream';
import { CodecError, consumers, events, JobEnded, SettlementAlert } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import type { Logger } from 'pino';
import { Batcher } from './batcher.ts';
import { endOf, type Settler } from './settler.ts';

const MAX_BATCH = 256;
const MAX_UNSETTLED = 1_024;
const RETRY_MS = 1_000;

export interface EndedJobsOptions {
  readonly bus: Bus;
  readonly settler: Settler;
  readonly log: Logger;
  readonly now: () => number;
}

/** Reads every `evt.job.ended` to the last one: acknowledged only when the money has moved, so a crash reads it again. */
export class EndedJobs implements AsyncDisposable {
  readonly #options: EndedJobsOptions;
  readonly #batcher: Batcher<JobEnded, undefined>;
  readonly #inHand = new Set<Promise<void>>();
  readonly #done: Promise<void>;
  #messages: ConsumerMessages | undefined;
  #stopped = false;

  constructor(options: EndedJobsOptions) {
    this.#options = options;
    this.#batcher = new Batcher(async (ended) => {
      await options.settler.settle(ended.map(endOf));
      return ended.map(() => undefined);
    }, MAX_BATCH);
    this.#done = this.#read();
  }

  /** A hub that restarts ends the reading, not the reader. */
  async #read(): Promise<void> {
    const { bus, log } = this.#options;
    const { stream, name } = consumers.settlementJobs;
    while (!this.#stopped) {
      try {
        const consumer = await bus.jetstream.consumers.get(stream, name);
        this.#messages = await consumer.consume({ max_messages: MAX_UNSETTLED });
        for await (const message of this.#messages) this.#take(message);
      } catch (error) {
        if (this.#stopped) return;
        log.warn({ err: error }, 'ended jobs cannot be read; trying again');
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  #take(message: JsMsg): void {
    const work = this.#settle(message).finally(() => this.#inHand.delete(work));
    this.#inHand.add(work);
  }

  async #settle(message: JsMsg): Promise<void> {
    const { bus, log, now } = this.#options;
    try {
      await this.#batcher.add(JobEnded.decode(message.data));
      message.ack();
    } catch (error) {
      if (error instanceof CodecError) {
        message.term('unreadable');
        bus.emit(events.settlementAlert, SettlementAlert, { at: now(), alert: 'poison_event', subject: `JOBS ${message.seq}` }, `poison:${message.seq}`);
        return;
      }
      log.error({ err: error, seq: message.seq }, 'a job could not be settled; it will be tried again');
      message.nak(RETRY_MS);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    this.#messages?.stop();
    await Promise.all(this.#inHand);
    await Promise.race([this.#done, new Promise((resolve) => setTimeout(resolve, RETRY_MS))]);
  }
}
