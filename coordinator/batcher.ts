import { setTimeout as delay } from 'node:timers/promises';

interface QueuedItem<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

export interface BatcherOptions<Item, Result> {
  /** Returns the results in the order of the items. */
  readonly run: (items: readonly Item[]) => Promise<readonly Result[]>;
  readonly maximum: number;
  /**
   * Maximum number of batches that run at once, 2 by default: while the database works on one full
   * batch, the next one is sent.
   */
  readonly lanes?: number;
  /**
   * How long the first item of each batch waits for others, in milliseconds. For work that no request
   * waits for.
   */
  readonly gatherMs?: number;
  /**
   * Whether an item of the batch caused this failure, so that the others may succeed without it.
   */
  readonly isItemsFault?: (error: unknown) => boolean;
}

const DEFAULT_LANES = 2;

/**
 * Runs one batch at a time, or several when batches are full. The first item runs at once; items that
 * arrive while it runs form the next batch. Without load an item does not wait, and under load
 * batches fill up.
 */
export class Batcher<Item, Result> {
  readonly #options: BatcherOptions<Item, Result>;
  #waiting: QueuedItem<Item, Result>[] = [];
  #lanes = 0;

  constructor(options: BatcherOptions<Item, Result>) {
    this.#options = options;
  }

  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      const { maximum, lanes = DEFAULT_LANES } = this.#options;
      if (this.#lanes === 0 || (this.#lanes < lanes && this.#waiting.length >= maximum))
        void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    this.#lanes += 1;
    const { maximum } = this.#options;
    while (this.#waiting.length > 0) {
      if (this.#waiting.length < maximum) await this.#gather();
      const batch = this.#waiting.splice(0, maximum);
      if (batch.length > 0) await this.#runBatch(batch);
    }
    this.#lanes -= 1;
  }

  /** Items that arrive in the same turn of the event loop share a batch in any case. */
  #gather(): Promise<void> {
    const { gatherMs = 0 } = this.#options;
    return gatherMs > 0 ? delay(gatherMs) : Promise.resolve();
  }

  /** If one item makes a batch fail, the batch is halved until that item fails alone. */
  async #runBatch(batch: readonly QueuedItem<Item, Result>[]): Promise<void> {
    try {
      const results = await this.#options.run(batch.map(({ item }) => item));
      for (const [index, { resolve }] of batch.entries()) resolve(results[index] as Result);
    } catch (error) {
      if (batch.length > 1 && this.#options.isItemsFault?.(error)) {
        const middle = Math.ceil(batch.length / 2);
        await this.#runBatch(batch.slice(0, middle));
        await this.#runBatch(batch.slice(middle));
      } else for (const { reject } of batch) reject(error);
    }
  }
}
