import type { Logger } from 'pino';
import type { JobEnd, Settler } from './settler.ts';
import type { LedgerStore, ReportedUsage } from './store/ledger-store.ts';

const BATCH = 256;

export interface SweeperOptions {
  readonly store: LedgerStore;
  readonly settler: Settler;
  readonly log: Logger;
  readonly receiptGraceMs: number;
  readonly everyMs: number;
}

/** Ends the jobs whose ingress died before it could say how they ended: by the provider's receipt, or with a refund. */
export class Sweeper implements AsyncDisposable {
  readonly #options: SweeperOptions;
  readonly #timer: NodeJS.Timeout;
  #sweeping: Promise<void> | undefined;

  constructor(options: SweeperOptions) {
    this.#options = options;
    this.#timer = setInterval(() => {
      this.#sweeping ??= this.#sweep().finally(() => {
        this.#sweeping = undefined;
      });
    }, options.everyMs);
  }

  async #sweep(): Promise<void> {
    const { store, settler, log, receiptGraceMs } = this.#options;
    try {
      const overdue = await store.overdueJobs(receiptGraceMs, BATCH);
      if (overdue.length > 0) await settler.settle(overdue.map(endByReceipt));
    } catch (error) {
      log.warn({ err: error }, 'overdue jobs could not be ended; they will be tried again');
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#sweeping;
  }
}

export function endByReceipt({ job, provider, promptTokens, completionTokens }: ReportedUsage): JobEnd {
  if (provider === null) return { job, provider: undefined, result: 'failed', deliveredTokens: 0 };
  return { job, provider, result: 'completed', deliveredTokens: completionTokens, usage: { promptTokens, completionTokens } };
}
