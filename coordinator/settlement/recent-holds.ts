import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { HoldResult, HoldRow } from './store/ledger-store.ts';

/** Many times what the database may take to bring a commit to the disk. */
const KEEP_MS = 5_000;
const RETRY_MS = 200;

export interface RecentHoldsOptions {
  readonly hold: (row: HoldRow) => Promise<HoldResult>;
  readonly log: Logger;
  readonly now: () => number;
}

/**
 * Invariant: a hold that was answered is either on the database's disk or remembered here. The answer does not wait for the
 * disk; when a connection is lost the database may have crashed and forgotten, so the last seconds' holds are asked once more.
 * Asking again changes nothing where they were kept.
 */
export class RecentHolds implements AsyncDisposable {
  readonly #options: RecentHoldsOptions;
  #recent: { row: HoldRow; at: number }[] = [];
  #asking: Promise<void> | undefined;
  #stopped = false;

  constructor(options: RecentHoldsOptions) {
    this.#options = options;
  }

  remember(rows: readonly HoldRow[]): void {
    const at = this.#options.now();
    this.#recent.push(...rows.map((row) => ({ row, at })));
    if (this.#asking !== undefined) return;
    const kept = this.#recent.findIndex((hold) => at - hold.at < KEEP_MS);
    if (kept > this.#recent.length / 2) this.#recent = this.#recent.slice(kept);
  }

  /** A connection was lost. */
  askAgain(): void {
    if (this.#stopped || this.#recent.length === 0) return;
    this.#asking ??= this.#askUntilAnswered().finally(() => {
      this.#asking = undefined;
    });
  }

  async #askUntilAnswered(): Promise<void> {
    const { hold, log, now } = this.#options;
    const lostAt = now();
    const doubtful = this.#recent.filter(({ at }) => lostAt - at < KEEP_MS);
    while (!this.#stopped) {
      const answers = await Promise.allSettled(doubtful.map(({ row }) => hold(row)));
      if (answers.every(({ status }) => status === 'fulfilled')) {
        const gone = answers.filter((answer) => answer.status === 'fulfilled' && answer.value.result === 'insufficient_funds');
        if (gone.length > 0) log.error({ holds: gone.length }, 'the database forgot holds, and their money has gone elsewhere since');
        return;
      }
      await delay(RETRY_MS);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await this.#asking;
  }
}
