import type { Held, Hold } from '#bus-schemas';
import { Batcher } from './batcher.ts';
import type { Alerts } from './alerts.ts';
import { costOf } from './core/charge.ts';
import { digestOf } from './core/digest.ts';
import type { PriceBook } from './price-book.ts';
import { type HoldResult, type HoldRow, isRowsFault, type LedgerStore, retried } from './store/ledger-store.ts';

const MAX_BATCH = 256;
/** No job runs for longer, whatever the caller says. */
const LONGEST_MS = 24 * 3_600_000;

export interface HoldsOptions {
  readonly store: LedgerStore;
  readonly prices: Pick<PriceBook, 'priceOf'>;
  readonly alerts: Pick<Alerts, 'raise'>;
  readonly now: () => number;
}

/** Sets money aside for a job: the price of both its upper bounds. Asked again, it gives the first answer. */
export class Holds {
  readonly #options: HoldsOptions;
  readonly #batcher: Batcher<HoldRow, HoldResult>;

  constructor(options: HoldsOptions) {
    this.#options = options;
    this.#batcher = new Batcher({ run: (rows) => retried(() => options.store.hold(rows)), maximum: MAX_BATCH, isItemsFault: isRowsFault });
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
}
