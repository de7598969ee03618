import type { Reserve } from '#bus-schemas';
import type { PendingRequest } from './pending-request.ts';

export interface QueuedRequest extends PendingRequest {
  readonly deadline: number;
  /** The job waits only because no beats may have arrived yet since the router started. */
  readonly onlyForGrace: boolean;
}

/** 1 for a line of a batch, which is served after all jobs of 0. */
const lateness = ({ request }: QueuedRequest): number => (request.isBatchLine === true ? 1 : 0);

/**
 * Jobs that wait for a slot, each once. Invariant: never more than `depth`. A job that arrives when
 * the queue is full displaces one of the account that has the most jobs in it, so that one account
 * cannot shut the others out.
 */
export class Queue {
  readonly #waiting = new Map<string, QueuedRequest>();
  readonly #depth: number;

  constructor(depth: number) {
    this.#depth = depth;
  }

  get length(): number {
    return this.#waiting.size;
  }

  of(job: string): QueuedRequest | undefined {
    return this.#waiting.get(job);
  }

  /** Adds a job; a job that is already in the queue keeps its turn. */
  put(waiting: QueuedRequest): void {
    this.#waiting.set(waiting.request.job, waiting);
  }

  remove(job: string): QueuedRequest | undefined {
    const waiting = this.#waiting.get(job);
    this.#waiting.delete(job);
    return waiting;
  }

  /** Whether a job that is no line of a batch waits for one of the builds. */
  hasOtherThanLines(builds: readonly string[]): boolean {
    return this.#waiting
      .values()
      .some(
        ({ request }) =>
          request.isBatchLine !== true && request.builds.some((build) => builds.includes(build)),
      );
  }

  values(): IterableIterator<QueuedRequest> {
    return this.#waiting.values();
  }

  /**
   * Returns the job that a new job displaces: 'none' while the queue has space, undefined if the
   * new job itself must be refused. A line of a batch displaces no job, and is displaced first.
   */
  displacedBy({ account, isBatchLine }: Reserve): QueuedRequest | 'none' | undefined {
    if (this.#waiting.size < this.#depth) return 'none';
    if (isBatchLine === true) return undefined;
    const line = [...this.#waiting.values()].findLast(
      ({ request }) => request.isBatchLine === true,
    );
    if (line !== undefined) return line;
    const counts = new Map<string, number>();
    let most = 0;
    for (const { request } of this.#waiting.values()) {
      const count = (counts.get(request.account) ?? 0) + 1;
      counts.set(request.account, count);
      most = Math.max(most, count);
    }
    if ((counts.get(account) ?? 0) + 1 >= most) return undefined;
    return [...this.#waiting.values()].findLast(
      ({ request }) => counts.get(request.account) === most,
    );
  }

  /**
   * Returns the jobs in the order in which they are served: first those of accounts that hold the
   * fewest slots, where each earlier job of the account in the queue counts as one more; among
   * equals, the earliest first. Lines of batches come after all other jobs.
   */
  inTurn(heldBy: (account: string) => number): QueuedRequest[] {
    const ahead = new Map<string, number>();
    const ranked = [...this.#waiting.values()].map((waiting) => {
      const { account } = waiting.request;
      const rank = ahead.get(account) ?? heldBy(account);
      ahead.set(account, rank + 1);
      return { waiting, rank };
    });
    return ranked
      .sort(
        (one, other) => lateness(one.waiting) - lateness(other.waiting) || one.rank - other.rank,
      )
      .map(({ waiting }) => waiting);
  }
}
