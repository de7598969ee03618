import type { JsMsg } from '@nats-io/jetstream';
import type { Logger } from 'pino';
import { CodecError, consumers, JobEnded } from '#bus-schemas';
import { Batcher } from '#coordinator/batcher.ts';
import type { Bus } from '#coordinator/bus.ts';
import { DurableReader } from '#coordinator/durable-reader.ts';
import type { Alerts } from '../alerts.ts';
import { isRowsFault } from '../database-work.ts';
import { endOf, type Settler } from './settler.ts';

const MAX_BATCH = 256;
/**
 * The first end of a batch waits this long for others, in milliseconds. No request waits for
 * settlement, and fewer, larger transactions leave more processor time for requests.
 */
const GATHER_MS = 150;
/** Time after which the hub delivers an end again that could not be settled, in milliseconds. */
const RETRY_MS = 1_000;

export interface EndedJobsOptions {
  readonly bus: Bus;
  readonly settler: Settler;
  readonly log: Logger;
  readonly alerts: Alerts;
}

/**
 * Reads every `evt.job.ended` message. It acknowledges a message only after the database has stored
 * the result, so that the hub delivers the message again after a crash.
 */
export class EndedJobs implements AsyncDisposable {
  readonly #options: EndedJobsOptions;
  readonly #batcher: Batcher<JobEnded, undefined>;
  readonly #settling = new Set<Promise<void>>();
  readonly #reader: DurableReader;

  constructor(options: EndedJobsOptions) {
    this.#options = options;
    this.#batcher = new Batcher({
      run: (ended) => this.#settleAll(ended),
      maximum: MAX_BATCH,
      gatherMs: GATHER_MS,
      isItemsFault: isRowsFault,
    });
    const { bus, log } = options;
    this.#reader = new DurableReader({
      bus,
      log,
      consumer: consumers.settlementJobs,
      handle: (message) => this.#take(message),
    });
  }

  async #settleAll(ended: readonly JobEnded[]): Promise<undefined[]> {
    try {
      await this.#options.settler.settle(ended.map(endOf));
    } catch (error) {
      this.#options.log.error(
        { err: error, jobs: ended.length },
        'ended jobs could not be settled; unless their data are invalid, settlement tries again in a second',
      );
      throw error;
    }
    return ended.map(() => undefined);
  }

  #take(message: JsMsg): void {
    const work = this.#settle(message).finally(() => this.#settling.delete(work));
    this.#settling.add(work);
  }

  async #settle(message: JsMsg): Promise<void> {
    try {
      if (await this.#isSettled(message)) message.ack();
      else message.term('poison');
    } catch {
      message.nak(RETRY_MS);
    }
  }

  /**
   * Settles the jobs of facts that were acknowledged before and that this database may lack. A job
   * that has ended does not change.
   */
  async settleAgain(facts: readonly JsMsg[]): Promise<void> {
    await Promise.all(facts.map((fact) => this.#isSettled(fact)));
  }

  /**
   * Returns false for a message that can never be settled, after raising an alert. The hold of its
   * job ends by the provider's receipt or by expiry. Throws if another try may settle it.
   */
  async #isSettled(message: JsMsg): Promise<boolean> {
    try {
      await this.#batcher.add(JobEnded.decode(message.data));
      return true;
    } catch (error) {
      if (!(error instanceof CodecError || isRowsFault(error))) throw error;
      this.#options.alerts.raise('poison_event', `JOBS ${message.seq}`);
      return false;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader[Symbol.asyncDispose]();
    await Promise.all(this.#settling);
  }
}
