import type { Asked } from './router.ts';

export interface Waiting extends Asked {
  readonly until: number;
  /** It waits only because the fleet may not have been heard yet. */
  readonly untilHeard: boolean;
}

/**
 * Jobs that wait for a place, each once. Invariant: never more than `depth`; when it is full, room
 * is taken from the account
 * that has most of it, so that one account cannot shut the others out.
 */
export class Queue {
  readonly #waiting = new Map<string, Waiting>();
  readonly #depth: number;

  constructor(depth: number) {
    this.#depth = depth;
  }

  get length(): number {
    return this.#waiting.size;
  }

  of(job: string): Waiting | undefined {
    return this.#waiting.get(job);
  }

  /** A job that is there already keeps its turn. */
  put(waiting: Waiting): void {
    this.#waiting.set(waiting.request.job, waiting);
  }

  remove(job: string): Waiting | undefined {
    const waiting = this.#waiting.get(job);
    this.#waiting.delete(job);
    return waiting;
  }

  values(): IterableIterator<Waiting> {
    return this.#waiting.values();
  }

  /**
   * Whom a newcomer of `account` displaces: nobody while there is room, undefined when it has to go
   * itself.
   */
  displacedBy(account: string): Waiting | 'nobody' | undefined {
    if (this.#waiting.size < this.#depth) return 'nobody';
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
   * First the accounts that hold least, counting their jobs ahead of this one; among equals, who
   * came first.
   */
  inTurn(heldBy: (account: string) => number): Waiting[] {
    const ahead = new Map<string, number>();
    const ranked = [...this.#waiting.values()].map((waiting) => {
      const { account } = waiting.request;
      const rank = ahead.get(account) ?? heldBy(account);
      ahead.set(account, rank + 1);
      return { waiting, rank };
    });
    return ranked.sort((one, other) => one.rank - other.rank).map(({ waiting }) => waiting);
  }
}
