/** How long it takes to read stored pages, and to compute the same tokens. */
export interface LoadCost {
  readonly bytes: number;
  readonly tokens: number;
  /** Bytes that the disk reads per millisecond. */
  readonly bytesPerMs: number;
  /** Tokens of prompts that the decoder computes per second. */
  readonly prefillTps: number;
}

/** Time until a load begins to read, in milliseconds: it waits for the running step. */
const BEGIN_MS = 10;
/** A load must take at most this share of the time of computing, because both are estimates. */
const SHARE = 0.7;

export const computeMs = ({ tokens, prefillTps }: LoadCost): number =>
  (1_000 * tokens) / Math.max(prefillTps, 0.001);

/** True if reading is clearly faster than computing. */
export const isWorthLoading = (cost: LoadCost): boolean =>
  BEGIN_MS + cost.bytes / cost.bytesPerMs < SHARE * computeMs(cost);

/** Speed of a disk before anything was read, in bytes per millisecond (1 GB/s). */
const FIRST_BYTES_PER_MS = 1e6;
const SMOOTHING = 0.2;
/** A measured speed counts for this time, in milliseconds: a slow one would never be measured again. */
const REMEMBERED_MS = 10 * 60_000;

/** The measured speed of reading, decrypting and restoring. */
export class ReadSpeed {
  readonly #clock: () => number;
  #bytesPerMs = FIRST_BYTES_PER_MS;
  #measuredAt = Number.NEGATIVE_INFINITY;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  get bytesPerMs(): number {
    return this.#clock() - this.#measuredAt < REMEMBERED_MS ? this.#bytesPerMs : FIRST_BYTES_PER_MS;
  }

  measure(bytes: number, tookMs: number): void {
    if (tookMs <= 0) return;
    const before = this.bytesPerMs;
    this.#bytesPerMs = before + SMOOTHING * (bytes / tookMs - before);
    this.#measuredAt = this.#clock();
  }
}
