import { core, Flow } from '#bus-schemas';
import type { DeliveryProofs } from '#coordinator/delivery-proofs.ts';

/** The progress of one attempt's stream at this ingress. */
export interface FlowReport extends Omit<Flow['jobs'][number], 'delivered'> {
  /** Completion tokens that the client has received. */
  readonly deliveredTokens: number;
}

const BATCH_MS = 20;
/**
 * Time for which reports of complete streams are gathered, in milliseconds. Such a provider only waits
 * to drop its last frames, which it would send again after 500 ms.
 */
const COMPLETE_BATCH_MS = 150;
const MAX_BATCH = 1_024;

export interface FlowSenderOptions {
  readonly ingress: string;
  readonly publish: (subject: string, payload: Uint8Array) => void;
  readonly proofs: DeliveryProofs;
}

/**
 * Reports to providers which frames have arrived and how many more they may send. One message
 * covers all jobs of a provider that changed within `BATCH_MS`, and those that were complete before.
 */
export class FlowSender implements Disposable {
  readonly #options: FlowSenderOptions;
  readonly #waiting = new Map<string, Map<string, FlowReport>>();
  #timer: NodeJS.Timeout | undefined;
  #completeTimer: NodeJS.Timeout | undefined;

  constructor(options: FlowSenderOptions) {
    this.#options = options;
  }

  /**
   * Queues a report. It replaces an earlier one of the same attempt, but keeps its request to send
   * frames again. `isComplete`: all frames of the stream have arrived.
   */
  report(provider: string, entry: FlowReport, { isComplete = false } = {}): void {
    let jobs = this.#waiting.get(provider);
    if (jobs === undefined) {
      jobs = new Map();
      this.#waiting.set(provider, jobs);
    }
    const key = `${entry.job} ${entry.attempt}`;
    jobs.set(key, { ...entry, resend: entry.resend || jobs.get(key)?.resend === true });
    if (isComplete) this.#completeTimer ??= setTimeout(() => this.flush(), COMPLETE_BATCH_MS);
    else this.#timer ??= setTimeout(() => this.flush(), BATCH_MS);
  }

  flush(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#completeTimer);
    this.#timer = undefined;
    this.#completeTimer = undefined;
    for (const [provider, jobs] of this.#waiting) this.#send(provider, [...jobs.values()]);
    this.#waiting.clear();
  }

  #send(provider: string, reports: FlowReport[]): void {
    const { ingress, publish } = this.#options;
    const jobs = reports.map((report) => this.#entry(provider, report));
    for (let start = 0; start < jobs.length; start += MAX_BATCH) {
      publish(
        core.down(provider, 'flow'),
        Flow.encode({ ingress, jobs: jobs.slice(start, start + MAX_BATCH) }),
      );
    }
  }

  /**
   * Makes the proof of delivery here, once for each report that is sent, because one for each frame
   * would cost too much.
   */
  #entry(
    provider: string,
    { deliveredTokens: tokens, ...report }: FlowReport,
  ): Flow['jobs'][number] {
    if (tokens === 0) return report;
    const { job, attempt } = report;
    return {
      ...report,
      delivered: { tokens, proof: this.#options.proofs.prove({ provider, job, attempt, tokens }) },
    };
  }

  [Symbol.dispose](): void {
    this.flush();
  }
}
