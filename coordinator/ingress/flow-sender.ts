import { core, Flow } from '#bus-schemas';

type FlowEntry = Flow['jobs'][number];

const BATCH_MS = 20;
const MAX_BATCH = 1_024;

export interface FlowSenderOptions {
  readonly ingress: string;
  readonly publish: (subject: string, payload: Uint8Array) => void;
}

/** Tells providers what arrived and how far they may send. One message serves all jobs of a provider that moved within a few milliseconds. */
export class FlowSender implements Disposable {
  readonly #options: FlowSenderOptions;
  readonly #waiting = new Map<string, Map<string, FlowEntry>>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: FlowSenderOptions) {
    this.#options = options;
  }

  /** The newest word on a job replaces one that has not left yet; a wish for a resend is kept. */
  report(provider: string, entry: FlowEntry): void {
    let jobs = this.#waiting.get(provider);
    if (jobs === undefined) {
      jobs = new Map();
      this.#waiting.set(provider, jobs);
    }
    const key = `${entry.job} ${entry.attempt}`;
    jobs.set(key, { ...entry, resend: entry.resend || jobs.get(key)?.resend === true });
    this.#timer ??= setTimeout(() => this.flush(), BATCH_MS);
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const [provider, jobs] of this.#waiting) this.#send(provider, [...jobs.values()]);
    this.#waiting.clear();
  }

  #send(provider: string, jobs: FlowEntry[]): void {
    const { ingress, publish } = this.#options;
    for (let start = 0; start < jobs.length; start += MAX_BATCH) {
      publish(core.down(provider, 'flow'), Flow.encode({ ingress, jobs: jobs.slice(start, start + MAX_BATCH) }));
    }
  }

  [Symbol.dispose](): void {
    this.flush();
  }
}
