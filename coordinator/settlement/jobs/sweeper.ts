import type { Logger } from 'pino';
import type { JobStore, OverdueJob } from './job-store.ts';
import type { JobEnd, Settler } from './settler.ts';

const BATCH = 256;
const FORGET_EVERY_MS = 3_600_000;

export interface SweeperOptions {
  readonly store: JobStore;
  readonly settler: Settler;
  readonly log: Logger;
  readonly receiptGraceMs: number;
  readonly everyMs: number;
}

/** Ends the jobs whose ingress died before it could say how they ended: by the provider's receipt, or with a refund. */
export class Sweeper implements AsyncDisposable {
  readonly #options: SweeperOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #forgetTimer: NodeJS.Timeout;
  #sweeping: Promise<void> | undefined;

  constructor(options: SweeperOptions) {
    this.#options = options;
    this.#timer = setInterval(() => {
      this.#sweeping ??= this.#sweep().finally(() => {
        this.#sweeping = undefined;
      });
    }, options.everyMs);
    this.#forgetTimer = setInterval(() => void this.#forgetStrangers(), FORGET_EVERY_MS);
  }

  async #sweep(): Promise<void> {
    const { store, settler, log, receiptGraceMs } = this.#options;
    try {
      const overdue = await store.overdue(receiptGraceMs, BATCH);
      if (overdue.length > 0) await settler.settle(overdue.map(endByReceipt));
    } catch (error) {
      log.warn({ err: error }, 'overdue jobs could not be ended; they will be tried again');
    }
  }

  async #forgetStrangers(): Promise<void> {
    const { store, log } = this.#options;
    await store
      .forgetStrangers()
      .catch((error: unknown) => log.warn({ err: error }, 'receipts of jobs that never were could not be forgotten; they will be later'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    clearInterval(this.#forgetTimer);
    await this.#sweeping;
  }
}

/** Charges no more than the receipt proves to be delivered: what else the provider made, the client never received. */
export function endByReceipt({ job, provider, deliveredTokens, ...usage }: OverdueJob): JobEnd {
  if (provider === null) return { job, provider: undefined, result: 'failed', deliveredTokens: 0 };
  return { job, provider, result: 'completed', deliveredTokens, usage };
}
