import { type Decoder, PAGE_TOKENS, type UnitBytes } from '../decoders/decoder.ts';
import { COPY_LIMIT_MS, type Guard } from '../guarded-work.ts';
import { type PagePool, pageDigests } from './page-pool.ts';
import { PrefixLoad, type StoredPrompt, type UnitKind, type UnitReader } from './prefix-load.ts';
import type { StatePool } from './state-pool.ts';
import { computeMs, isWorthLoading, type LoadCost, ReadSpeed } from './worth.ts';

/** Where the pages and states of one model on one engine outlive the process. */
export interface UnitStore extends UnitReader {
  /** False while the store takes nothing, for example because the disk is full. */
  readonly isWritable: boolean;
  has(kind: UnitKind, digest: string): boolean;
  /** Never throws. */
  write(kind: UnitKind, digest: string, unit: Uint8Array<ArrayBuffer>): Promise<void>;
}

interface StoredPrefixesOptions {
  readonly store: UnitStore;
  readonly decoder: Decoder;
  readonly pool: PagePool;
  readonly states: StatePool | undefined;
  readonly unitBytes: UnitBytes;
  /** Tokens of prompts that the decoder computes per second. */
  readonly prefillTps: () => number;
  readonly guard: Guard;
  readonly clock: () => number;
  /** Called when there is something to copy between two steps. */
  readonly wake: () => void;
}

interface Saving {
  readonly kind: UnitKind;
  readonly digest: string;
}

/** Most bytes that are read or saved at once, unless one unit is larger. */
const PART_BYTES = 16 * 1024 * 1024;
/** Most units that wait to be written. More are not written. */
const MAX_SAVING = 8_192;
/** Number of prompts whose pages are read at once. The others wait for them. */
const MAX_LOADING = 2;
/** Shortest limit of a load in milliseconds; otherwise it is the time of computing the same tokens. */
const LEAST_LIMIT_MS = 1_000;

/**
 * Moves pages and states between the cache of a decoder and a store that outlives it. They are copied
 * between two steps, in small parts. Files are read and written while steps run.
 *
 * Pages that wait to be written are not held: one that was replaced before its turn is left out.
 */
export class StoredPrefixes {
  readonly #options: StoredPrefixesOptions;
  readonly #speed: ReadSpeed;
  readonly #loads: PrefixLoad[] = [];
  /** By kind and digest, in the order of writing. */
  readonly #saving = new Map<string, Saving>();
  #isWriting = false;
  #isClosed = false;

  constructor(options: StoredPrefixesOptions) {
    this.#options = options;
    this.#speed = new ReadSpeed(options.clock);
  }

  get hasWork(): boolean {
    return this.#loads.some(({ isReady, isDone }) => isReady || isDone) || this.#maySave;
  }

  /**
   * Begins to load the pages of a prompt that are stored and not cached. Returns undefined if there are
   * none, or if computing them is faster.
   */
  load(prompt: StoredPrompt): PrefixLoad | undefined {
    const { store, pool, clock, wake } = this.#options;
    const digests = this.#storedDigests(prompt);
    const cost = this.#cost(digests.length - prompt.pages.named);
    if (this.#isClosed || cost.tokens <= 0 || !isWorthLoading(cost)) return undefined;
    const load = new PrefixLoad({
      ...prompt,
      store,
      pool,
      digests,
      partPages: this.#unitsAtOnce('page'),
      limitMs: Math.max(LEAST_LIMIT_MS, computeMs(cost)),
      clock,
      onProgress: wake,
    });
    this.#loads.push(load);
    this.#startLoads();
    return load;
  }

  /** Writes the pages and states of a prompt that was computed, if they are worth it. */
  offer({ pages, ...prefix }: Omit<StoredPrompt, 'state'>): void {
    const { store, pool, states } = this.#options;
    const digests = pageDigests(prefix).slice(0, pages.named);
    if (this.#isClosed || !isWorthLoading(this.#cost(digests.length))) return;
    for (const digest of digests)
      for (const kind of ['page', 'state'] as const) {
        const page = pool.pageOf(digest);
        const isCached =
          page !== undefined && (kind === 'page' || states?.slotOf(page) !== undefined);
        if (isCached && this.#saving.size < MAX_SAVING && !store.has(kind, digest))
          this.#saving.set(`${kind} ${digest}`, { kind, digest });
      }
  }

  /** Nothing is copied after this. Call it before the decoder is closed. */
  close(): void {
    this.#isClosed = true;
    this.#saving.clear();
    for (const load of this.#loads.splice(0)) load.abandon();
  }

  /** Copies what is ready. Call it between two steps. Throws if the decoder fails. */
  async turn(): Promise<void> {
    for (const load of [...this.#loads]) {
      await this.#copyRead(load);
      if (load.isDone) this.#loads.splice(this.#loads.indexOf(load), 1);
    }
    this.#startLoads();
    if (this.#maySave) await this.#save();
  }

  async #copyRead(load: PrefixLoad): Promise<void> {
    const { guard, decoder, clock } = this.#options;
    for (const ready of load.takeReady()) {
      if (load.isDone) return;
      const began = clock();
      await guard({ kind: 'copy', limitMs: COPY_LIMIT_MS }, () =>
        decoder.restore(ready.units, ready.bytes),
      );
      this.#speed.measure(ready.bytes.length, ready.readMs + clock() - began);
      load.copied(ready);
    }
  }

  #startLoads(): void {
    for (const load of this.#loads.slice(0, MAX_LOADING)) load.start();
  }

  /** The digests of a prompt's pages, up to the last one from which it can continue after a load. */
  #storedDigests({ pages, ...prefix }: StoredPrompt): string[] {
    const { store, states } = this.#options;
    const all = pageDigests(prefix);
    let count = pages.named;
    while (count < all.length && store.has('page', all[count] as string)) count += 1;
    if (states !== undefined)
      while (count > pages.named && !store.has('state', all[count - 1] as string)) count -= 1;
    return all.slice(0, count);
  }

  #cost(pages: number): LoadCost {
    const { unitBytes, prefillTps } = this.#options;
    return {
      tokens: pages * PAGE_TOKENS,
      bytes: pages * unitBytes.page + unitBytes.state,
      bytesPerMs: this.#speed.bytesPerMs,
      prefillTps: prefillTps(),
    };
  }

  get #maySave(): boolean {
    return this.#saving.size > 0 && !this.#isWriting && this.#options.store.isWritable;
  }

  async #save(): Promise<void> {
    const { decoder, guard, wake } = this.#options;
    const chosen = this.#nextSaved();
    if (chosen.length === 0) return;
    const numbers = (kind: UnitKind) =>
      Int32Array.from(chosen.filter((each) => each.kind === kind).map(({ unit }) => unit));
    const units = { pages: numbers('page'), states: numbers('state') };
    const bytes = await guard({ kind: 'copy', limitMs: COPY_LIMIT_MS }, () => decoder.save(units));
    this.#isWriting = true;
    void this.#write(chosen, bytes).finally(() => {
      this.#isWriting = false;
      wake();
    });
  }

  /** Takes units of one kind from the list, and leaves out those that are no longer cached. */
  #nextSaved(): (Saving & { readonly unit: number })[] {
    const chosen: (Saving & { readonly unit: number })[] = [];
    for (const [key, saving] of this.#saving) {
      const isFull = chosen.length >= this.#unitsAtOnce(saving.kind);
      if (isFull || (chosen[0] ?? saving).kind !== saving.kind) break;
      this.#saving.delete(key);
      const page = this.#options.pool.pageOf(saving.digest);
      const unit =
        saving.kind === 'page' || page === undefined ? page : this.#options.states?.slotOf(page);
      if (unit !== undefined) chosen.push({ ...saving, unit });
    }
    return chosen;
  }

  async #write(chosen: readonly Saving[], bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const size = bytes.length / chosen.length;
    for (const [index, { kind, digest }] of chosen.entries()) {
      const unit = bytes.subarray(index * size, (index + 1) * size);
      await this.#options.store.write(kind, digest, unit);
    }
  }

  #unitsAtOnce(kind: UnitKind): number {
    return Math.max(1, Math.floor(PART_BYTES / this.#options.unitBytes[kind]));
  }
}
