import { PAGE_TOKENS, type Units } from '../decoders/decoder.ts';
import type { PagePool, SequencePages, SharedPrompt } from './page-pool.ts';

export type UnitKind = 'page' | 'state';

export interface UnitReader {
  /** Returns undefined if the unit is not stored, or was damaged. */
  read(kind: UnitKind, digest: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
}

/** The prompt of a sequence, and the pages that it holds. */
export interface StoredPrompt extends SharedPrompt {
  readonly pages: SequencePages;
  /** The slot that a loaded state is written to, if the model has states. */
  readonly state: number | undefined;
}

interface PrefixLoadOptions extends StoredPrompt {
  readonly store: UnitReader;
  readonly pool: PagePool;
  /** Of the pages of the prompt, up to the last one that is loaded. */
  readonly digests: readonly string[];
  /** Number of pages that are read at once. */
  readonly partPages: number;
  /** Longest time of the load in milliseconds. */
  readonly limitMs: number;
  readonly clock: () => number;
  /** Called when a part is ready, and when the load has ended. */
  readonly onProgress: () => void;
}

/** Units that are read at once. */
interface Part {
  readonly kind: UnitKind;
  readonly digests: readonly string[];
  /** Pages, or the one state slot, that they are copied to. */
  readonly units: readonly number[];
}

/** Units that were read and can be copied into the decoder. */
interface ReadPart {
  readonly part: Part;
  readonly units: Units;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly readMs: number;
}

/** Number of parts that are in memory at most until the decoder has copied them. */
const MAX_UNCOPIED = 4;

/**
 * The load of one prompt's pages, from the first one that is not cached, and of the state after the
 * last one. One part is read after the other, while the decoder copies those before it.
 *
 *   waiting → loading → done
 *
 * It ends early if a page cannot be read, or if it takes longer than computing. The pages before that
 * count, except for models with states: without the state after them, they cannot be continued.
 */
export class PrefixLoad {
  readonly #options: PrefixLoadOptions;
  /** Parts that are not read yet. */
  readonly #parts: Part[];
  #phase: 'waiting' | 'loading' | 'done' = 'waiting';
  #ready: ReadPart[] = [];
  #isReading = false;
  /** Number of parts that were read and are not copied yet. */
  #uncopied = 0;
  /** Copied pages that have no name yet. */
  #unnamed = 0;
  #isCut = false;
  #hasState = false;

  constructor(options: PrefixLoadOptions) {
    this.#options = options;
    this.#parts = partsOf(options);
  }

  get isReady(): boolean {
    return this.#ready.length > 0;
  }

  get isDone(): boolean {
    return this.#phase === 'done';
  }

  /** True if the sequence continues the state that was loaded. */
  get hasState(): boolean {
    return this.#hasState;
  }

  start(): void {
    if (this.#phase !== 'waiting') return;
    this.#phase = 'loading';
    setTimeout(() => this.abandon(), this.#options.limitMs).unref();
    this.#readNext();
  }

  /** Ends the load. No further part is copied to the pages of the sequence. */
  abandon(): void {
    if (this.isDone) return;
    this.#phase = 'done';
    this.#ready = [];
    this.#options.onProgress();
  }

  takeReady(): ReadPart[] {
    const ready = this.#ready;
    this.#ready = [];
    return ready;
  }

  /** Call it when the decoder has copied a part. */
  copied({ part }: ReadPart): void {
    const { state } = this.#options;
    this.#uncopied -= 1;
    if (part.kind === 'page') this.#unnamed += part.units.length;
    const isLast = this.#uncopied === 0 && this.#parts.length === 0 && !this.#isReading;
    // A model with states computes these pages again unless it gets the state, so they have no name yet.
    if (state === undefined) this.#name();
    else if (isLast && !this.#isCut && !this.isDone) {
      this.#name();
      this.#hasState = true;
    }
    if (isLast) this.#phase = 'done';
    else this.#readNext();
  }

  #name(): void {
    const { pages, prompt, pool } = this.#options;
    pool.name(pages, prompt.slice(0, (pages.named + this.#unnamed) * PAGE_TOKENS));
    this.#unnamed = 0;
  }

  #readNext(): void {
    const next = this.#parts[0];
    if (next === undefined || this.#phase !== 'loading' || this.#isReading) return;
    if (this.#uncopied >= MAX_UNCOPIED) return;
    this.#parts.shift();
    this.#isReading = true;
    void this.#read(next);
  }

  async #read(part: Part): Promise<void> {
    const { store, clock, state, onProgress } = this.#options;
    const began = clock();
    const all = await Promise.all(part.digests.map((digest) => store.read(part.kind, digest)));
    this.#isReading = false;
    if (this.isDone) return;
    const missing = all.indexOf(undefined);
    const read = all.slice(0, missing === -1 ? all.length : missing);
    if (missing >= 0) {
      this.#isCut = true;
      this.#parts.length = 0;
      if (state !== undefined || read.length + this.#uncopied === 0) return this.abandon();
    }
    if (read.length > 0) {
      this.#ready.push(readPart(part, read as Uint8Array[], clock() - began));
      this.#uncopied += 1;
    }
    this.#readNext();
    onProgress();
  }
}

/** The state comes first: if it cannot be read, no page is read for nothing. */
function partsOf({ digests, pages, state, partPages }: PrefixLoadOptions): Part[] {
  const last = digests.at(-1) as string;
  const parts: Part[] =
    state === undefined ? [] : [{ kind: 'state', digests: [last], units: [state] }];
  for (let from = pages.named; from < digests.length; from += partPages) {
    const to = Math.min(digests.length, from + partPages);
    const units = [...pages.pages.subarray(from, to)];
    parts.push({ kind: 'page', digests: digests.slice(from, to), units });
  }
  return parts;
}

function readPart(part: Part, read: readonly Uint8Array[], readMs: number): ReadPart {
  const units = part.units.slice(0, read.length);
  const none = new Int32Array(0);
  return {
    part: { ...part, units },
    units:
      part.kind === 'page'
        ? { pages: Int32Array.from(units), states: none }
        : { pages: none, states: Int32Array.from(units) },
    bytes: joined(read),
    readMs,
  };
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
