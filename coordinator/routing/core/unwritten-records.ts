/** Lifetime counters of a machine. */
export interface MachineCounts {
  /** Jobs that it completed. */
  readonly served: number;
  /** Attempts that failed through its fault. */
  readonly failed: number;
  /** Attempts that it refused although it had reported free room. */
  readonly refused: number;
  /** Attempts that it refused with the statement that the request is at fault. */
  readonly blamed: number;
  /** Tokens of its answers that reached an ingress. */
  readonly tokens: number;
}

export interface UnwrittenRecord {
  /** Added to the stored counters. */
  readonly counts: MachineCounts;
  /** Time of the last observation; undefined if the machine was only connected. */
  readonly observedAt: number | undefined;
}

export interface RecordBatch {
  /** Grows by one with each batch. A repeated batch keeps its number, and its counts are the same. */
  readonly number: number;
  readonly records: ReadonlyMap<string, UnwrittenRecord>;
}

const NOTHING: MachineCounts = { served: 0, failed: 0, refused: 0, blamed: 0, tokens: 0 };

/**
 * The machines whose records have to be written, and the batch that is being written.
 *
 *   written → waiting (an observation, or the machine is connected) → in the batch → written
 *
 * A batch stays the same until it is acknowledged, because a lost answer does not tell whether the
 * database has added its counts. What is observed meanwhile waits for the next batch.
 */
export class UnwrittenRecords {
  readonly #maximum: number;
  /** In the order in which they have waited: the machine that was written last is last. */
  readonly #waiting = new Map<string, UnwrittenRecord>();
  #batch: RecordBatch | undefined;
  #number = 0;

  /** Observations of further machines are dropped while `maximum` machines wait. */
  constructor(maximum: number) {
    this.#maximum = maximum;
  }

  get size(): number {
    return this.#waiting.size + (this.#batch?.records.size ?? 0);
  }

  has(provider: string): boolean {
    return this.#waiting.has(provider) || this.#batch?.records.has(provider) === true;
  }

  observe(provider: string, counts: Partial<MachineCounts>, now: number): void {
    const before = this.#waiting.get(provider);
    if (before === undefined && this.#waiting.size >= this.#maximum) return;
    this.#waiting.set(provider, { counts: sum(before?.counts, counts), observedAt: now });
  }

  /** The machine is connected: its row is written even if nothing was observed. */
  touch(provider: string): void {
    if (this.has(provider) || this.#waiting.size >= this.#maximum) return;
    this.#waiting.set(provider, { counts: NOTHING, observedAt: undefined });
  }

  /** The batch that is not acknowledged, or a new one of at most `limit` machines. */
  batch(limit: number, isReady: (provider: string) => boolean): RecordBatch | undefined {
    if (this.#batch !== undefined) return this.#batch;
    const records = new Map<string, UnwrittenRecord>();
    for (const [provider, record] of this.#waiting) {
      if (records.size === limit) break;
      if (isReady(provider)) records.set(provider, record);
    }
    if (records.size === 0) return undefined;
    for (const provider of records.keys()) this.#waiting.delete(provider);
    this.#number += 1;
    this.#batch = { number: this.#number, records };
    return this.#batch;
  }

  acknowledge(number: number): void {
    if (this.#batch?.number === number) this.#batch = undefined;
  }
}

function sum(one: MachineCounts = NOTHING, other: Partial<MachineCounts>): MachineCounts {
  return {
    served: one.served + (other.served ?? 0),
    failed: one.failed + (other.failed ?? 0),
    refused: one.refused + (other.refused ?? 0),
    blamed: one.blamed + (other.blamed ?? 0),
    tokens: one.tokens + (other.tokens ?? 0),
  };
}
