import type { Logger } from 'pino';
import { JobEnded, type Receipt } from '#bus-schemas';
import type { FactMarker } from '#coordinator/fact-markers/fact-marker.ts';
import type { SigningKeys } from '../receipts/signing-keys.ts';
import type { JobStore, OverdueJob } from './job-store.ts';
import type { AwaitedReceipt } from './receipt-store.ts';
import { endOf, type JobEnd, type Settler } from './settler.ts';

const BATCH = 256;
/**
 * An early sweep begins after this time, in milliseconds. A provider gathers receipts for 50 ms
 * before it sends them, so a receipt that is on its way has arrived by then.
 */
const SOON_MS = 500;

export interface SweeperOptions {
  readonly store: JobStore;
  readonly settler: Settler;
  readonly signingKeys: SigningKeys;
  /**
   * Resolves when the database has every fact that JetStream stored before. Without this, a
   * database that was restored from a backup would refund the jobs whose ends it lost.
   */
  readonly facts: Pick<FactMarker, 'complete'>;
  readonly log: Logger;
  readonly receiptGraceMs: number;
  readonly everyMs: number;
  /**
   * Called for a job that was served but whose provider sent no valid receipt: the account pays
   * nothing and the provider receives nothing.
   */
  readonly onUnsigned: () => void;
}

/**
 * Ends the jobs that no report of an ingress could end. A job whose ingress died is settled by the
 * provider's receipt or refunded. A job that waits for a signed receipt is settled when the receipt
 * arrives, or refunded when the time for it is over.
 */
export class Sweeper implements AsyncDisposable {
  readonly #options: SweeperOptions;
  readonly #timer: NodeJS.Timeout;
  #soon: NodeJS.Timeout | undefined;
  #sweeping: Promise<void> | undefined;
  #isStopped = false;

  constructor(options: SweeperOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#run(), options.everyMs);
  }

  /** Sweeps after `SOON_MS`, because the awaited receipts are probably on their way. */
  sweepSoon(): void {
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      this.#run();
    }, SOON_MS);
  }

  #run(): void {
    if (this.#isStopped) return;
    this.#sweeping ??= this.#sweep().finally(() => {
      this.#sweeping = undefined;
    });
  }

  async #sweep(): Promise<void> {
    const { store, settler, facts, log, receiptGraceMs } = this.#options;
    try {
      await facts.complete();
      const overdue = await store.overdue(receiptGraceMs, BATCH);
      const awaited = await store.receipts.awaited(BATCH);
      if (overdue.length + awaited.length === 0) return;
      const receipts = new Map(
        (await store.receipts.of([...overdue, ...awaited].map(({ job }) => job))).map((receipt) => [
          nameOf(receipt),
          receipt,
        ]),
      );
      const ends = await Promise.all([
        ...overdue.map((job) => this.#endOfOverdue(job, receipts.get(nameOf(job)))),
        ...awaited.map((job) => this.#endOfAwaited(job, receipts)),
      ]);
      await settler.settle(ends.filter((end) => end !== undefined));
    } catch (error) {
      log.warn({ err: error }, 'overdue jobs could not be ended; the next sweep tries again');
    }
  }

  /**
   * Returns undefined while trust does not answer which key the machine uses; the job then stays
   * open.
   */
  async #endOfOverdue(job: OverdueJob, receipt: Receipt | undefined): Promise<JobEnd | undefined> {
    if (job.provider === null || receipt === undefined)
      return endByReceipt({ ...job, provider: null });
    const proof = await this.#options.signingKeys.proofOfReceipt(job.provider, receipt);
    if (proof === 'unknown') return undefined;
    if (proof === 'signed') return endByReceipt({ ...job, ...receipt.usage });
    this.#countUnsigned(job.job, job.provider);
    return endByReceipt({ ...job, provider: null });
  }

  /**
   * Returns undefined while the provider still has time to send a receipt, or while trust does not
   * answer which key the machine uses.
   */
  async #endOfAwaited(
    { job, ended: fact, isExpired }: AwaitedReceipt,
    receipts: ReadonlyMap<string, Receipt>,
  ): Promise<JobEnd | undefined> {
    const ended = JobEnded.decode(fact);
    const { provider = '', receiptKey } = ended;
    const { signingKeys } = this.#options;
    const receipt = receipts.get(nameOf({ job, provider }));
    const reportedProof = await signingKeys.proofOf(provider, receiptKey);
    const receiptProof =
      receipt === undefined ? 'unsigned' : await signingKeys.proofOfReceipt(provider, receipt);
    if (reportedProof === 'signed') return { ...endOf(ended), isDecided: true };
    if (receiptProof === 'signed')
      return { ...endOf(ended), usage: receipt?.usage, isDecided: true };
    if (
      reportedProof === 'unknown' ||
      receiptProof === 'unknown' ||
      !(isExpired || receipt !== undefined)
    )
      return undefined;
    this.#countUnsigned(job, provider);
    return { ...endOf(ended), result: 'failed', deliveredTokens: 0, isDecided: true };
  }

  #countUnsigned(job: string, provider: string): void {
    this.#options.onUnsigned();
    this.#options.log.warn(
      { job, provider },
      'a machine sent no receipt signed with its key for a job that it served: it is not paid, and the account pays nothing',
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    clearInterval(this.#timer);
    clearTimeout(this.#soon);
    await this.#sweeping;
  }
}

const nameOf = ({ job, provider }: { job: string; provider: string | null }) =>
  `${job} ${provider}`;

/**
 * Charges no more than the proven delivered tokens. Otherwise a provider could charge for tokens
 * that the client never received.
 */
export function endByReceipt({ job, provider, deliveredTokens, ...usage }: OverdueJob): JobEnd {
  if (provider === null) return { job, provider: undefined, result: 'failed', deliveredTokens: 0 };
  return { job, provider, result: 'completed', deliveredTokens, usage };
}
