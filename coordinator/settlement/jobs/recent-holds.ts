import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { HoldResult, NewHold } from './job-store.ts';

/**
 * A hold is remembered for this long, in milliseconds: many times longer than the database takes to
 * write a commit to its disk.
 */
const KEEP_MS = 5_000;
const RETRY_MS = 200;

export interface RecentHoldsOptions {
  readonly hold: (row: NewHold) => Promise<HoldResult>;
  readonly log: Logger;
  readonly now: () => number;
}

/**
 * Invariant: a hold that was answered is either on the database's disk or remembered here. The
 * answer does not wait for the disk. After a lost connection the database may have crashed and lost
 * its last commits, so the holds of the last seconds are requested again. A repeated request
 * changes nothing when the database still has the hold.
 */
export class RecentHolds implements AsyncDisposable {
  readonly #options: RecentHoldsOptions;
  #recent: { row: NewHold; at: number }[] = [];
  /**
   * The database may have lost holds answered after this time; undefined while no hold is in doubt.
   */
  #doubtfulSince: number | undefined;
  #losses = 0;
  #requesting: Promise<void> | undefined;
  #stopped = false;

  constructor(options: RecentHoldsOptions) {
    this.#options = options;
  }

  remember(rows: readonly NewHold[]): void {
    const at = this.#options.now();
    this.#recent.push(...rows.map((row) => ({ row, at })));
    if (this.#doubtfulSince === undefined) this.#forget(at - KEEP_MS);
  }

  /** Requests recent holds again after a lost connection. */
  requestAgain(): void {
    this.#losses += 1;
    if (this.#stopped || this.#recent.length === 0) return;
    this.#doubtfulSince ??= this.#options.now() - KEEP_MS;
    this.#requesting ??= this.#requestUntilAnswered().finally(() => {
      this.#doubtfulSince = undefined;
      this.#requesting = undefined;
    });
  }

  /**
   * A crashing database closes its connections one by one and still answers on the others. So only
   * a round in which no connection was lost counts.
   */
  async #requestUntilAnswered(): Promise<void> {
    while (!this.#stopped) {
      const losses = this.#losses;
      const isAnswered = await this.#requestAll();
      if (isAnswered && losses === this.#losses) return;
      if (!isAnswered) await delay(RETRY_MS);
    }
  }

  async #requestAll(): Promise<boolean> {
    const { hold, log } = this.#options;
    const since = this.#doubtfulSince ?? Number.POSITIVE_INFINITY;
    const rows = new Map(
      this.#recent.flatMap(({ row, at }) => (at > since ? [[row.job, row]] : [])),
    );
    const answers = await Promise.allSettled([...rows.values()].map(hold));
    const lost = answers.filter(
      (answer) => answer.status === 'fulfilled' && answer.value.result === 'insufficient_funds',
    );
    if (lost.length > 0)
      log.error(
        { holds: lost.length },
        'the database lost holds, and their accounts have no money left for them',
      );
    return answers.every(({ status }) => status === 'fulfilled');
  }

  #forget(before: number): void {
    const kept = this.#recent.findIndex(({ at }) => at > before);
    const forgotten = kept === -1 ? this.#recent.length : kept;
    // Copying the whole array for each hold would cost more than making the hold.
    if (forgotten > this.#recent.length / 2) this.#recent = this.#recent.slice(forgotten);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await this.#requesting;
  }
}
