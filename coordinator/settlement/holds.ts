import type { Logger } from 'pino';
import type { Held, Hold } from '#bus-schemas';
import type { Alerts } from './alerts.ts';
import { Batcher } from './batcher.ts';
import { costOf } from './core/charge.ts';
import { digestOf } from './core/digest.ts';
import type { PriceBook } from './price-book.ts';
import { RecentHolds } from './recent-holds.ts';
import { type HoldResult, type HoldRow, isRowsFault, type LedgerStore, retried } from './store/ledger-store.ts';

const MAX_BATCH = 256;
/** No job runs for longer, whatever the caller says. */
const LONGEST_MS = 24 * 3_600_000;

export interface HoldsOptions {
  readonly store: LedgerStore;
  readonly prices: Pick<PriceBook, 'priceOf'>;
  readonly alerts: Pick<Alerts, 'raise'>;
  readonly log: Logger;
  readonly now: () => number;
}

/** Sets money aside for a job: the price of both its upper bounds. Asked again, it gives the first answer. */
export class Holds implements AsyncDisposable {
  readonly #options: HoldsOptions;
  readonly #batcher: Batcher<HoldRow, HoldResult>;
  readonly #recent: RecentHolds;

  constructor(options: HoldsOptions) {
    this.#options = options;
    const run = async (rows: readonly HoldRow[]): Promise<HoldResult[]> => {
      const results = await retried(() => options.store.hold(rows));
      this.#recent.remember(rows.filter((_, index) => results[index]?.result === 'held'));
      return results;
    };
    this.#batcher = new Batcher({ run, maximum: MAX_BATCH, isItemsFault: isRowsFault });
    this.#recent = new RecentHolds({ hold: (row) => this.#batcher.add(row), log: options.log, now: options.now });
  }

  async hold({ job, account, key, model, promptBound, outputBound, expiresAt }: Hold): Promise<Held> {
    const { prices, alerts, now } = this.#options;
    const price = await prices.priceOf(model);
    if (price === undefined) return { ok: false, code: 'unpriced_model' };
    const { result, held } = await this.#batcher.add({
      ...{ job, account, key, model, promptBound },
      priceVersion: price.version,
      held: costOf(price, { prompt: promptBound, completion: outputBound }),
      digest: digestOf([account, key, model, promptBound, outputBound]),
      expiresAt: Math.min(expiresAt, now() + LONGEST_MS),
    });
    if (result === 'held') return { ok: true, heldMicroUsd: held };
    // A hold that its own job's end overtook is late, not contradictory.
    if (result === 'ended') return { ok: false, code: 'operation_conflict' };
    if (result === 'operation_conflict') alerts.raise('operation_conflict', `hold:${job}`);
    return { ok: false, code: result };
  }

  /** A connection to the database was lost, perhaps the database with it. */
  askAgain(): void {
    this.#recent.askAgain();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#recent[Symbol.asyncDispose]();
  }
}
