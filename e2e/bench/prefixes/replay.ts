import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import {
  type Backend,
  type Decoder,
  PAGE_TOKENS,
  unitBytesOf,
} from '#provider/engine/decoders/decoder.ts';
import { pageDigests } from '#provider/engine/scheduling/page-pool.ts';
import { Scheduler } from '#provider/engine/scheduling/scheduler.ts';
import { modelStore } from '#provider/engine/stored/model-store.ts';
import { PrefixStore } from '#provider/engine/stored/prefix-store.ts';
import type { DecoderModel } from '#provider/models/model.ts';
import type { ReplayedRequest } from './traffic.ts';

export interface ReplayOptions {
  readonly backend: Backend;
  readonly model: DecoderModel;
  /** Pages in memory. */
  readonly pages: number;
  /** State slots; 0 for a model without states. */
  readonly states: number;
  /** Most bytes on the disk; 0 for a machine without this cache. */
  readonly storedBytes: number;
  /** Speed of prompts on the machine that is replayed, which decides what is worth loading. */
  readonly prefillTps: number;
  readonly traffic: Iterable<ReplayedRequest>;
  /** Number of requests after which the engine starts again. */
  readonly restartsAfter: number;
}

export interface ReuseFigures {
  /** Requests of which at least one page was in an earlier one of the same customer. */
  repeats: number;
  /** Those of them that used at least half of these pages. */
  reused: number;
  /** Tokens in pages that an earlier prompt of the same customer had. */
  repeatedTokens: number;
  cachedTokens: number;
}

export interface ReplayResult {
  readonly all: ReuseFigures;
  /** Requests that repeat only what was computed before the restart. */
  readonly afterRestart: ReuseFigures;
  readonly pagesRead: number;
  readonly storedBytes: number;
}

const CACHE_IDLE_MS = 5 * 60_000;
const SLOTS = 4;

const none = (): ReuseFigures => ({ repeats: 0, reused: 0, repeatedTokens: 0, cachedTokens: 0 });

/**
 * Runs requests through the scheduler, the decoder and the store on the disk, with a clock of their
 * own. It counts how many of the pages that an earlier prompt had are not computed again.
 */
export async function replay(options: ReplayOptions): Promise<ReplayResult> {
  const { model, backend } = options;
  const folder = await mkdtemp(join(tmpdir(), 'dinf-replay-'));
  const began = Date.now();
  let now = 0;
  const unitBytes = unitBytesOf(model, backend);
  const clock = () => now;
  const openMachine = async () => {
    const store = await PrefixStore.open({
      folder,
      secret: new Uint8Array(32),
      limits: {
        mostBytes: options.storedBytes,
        mostAgeMs: 6 * 3_600_000,
        dailyBytes: 1e12,
        freeBytes: 0,
      },
      log: console,
      now: () => began + now,
    });
    const loaded = await backend.load({
      model,
      pages: options.pages,
      states: options.states,
      maxTokens: 512,
    });
    const busy = new Busy();
    const decoder = watched(loaded, busy);
    const units = modelStore(store, {
      model: { ...model, digest: new Uint8Array(32) },
      backend,
      version: 'replay',
    });
    const scheduler = new Scheduler({
      decoder,
      pages: options.pages,
      states: options.states,
      maxTokens: 512,
      maxRunning: SLOTS,
      prefillMs: 100,
      speeds: { prefillTps: options.prefillTps, decodeTps: 10 },
      stored: {
        store: {
          get isWritable() {
            return units.isWritable;
          },
          has: units.has,
          read: units.read,
          write: (...unit) => busy.during(() => units.write(...unit)),
        },
        unitBytes,
      },
      clock,
      onFailure: (error) => console.error(error),
    });
    return {
      store,
      scheduler,
      busy,
      async [Symbol.asyncDispose]() {
        await scheduler.close();
        await decoder[Symbol.asyncDispose]();
        store[Symbol.dispose]();
      },
    };
  };
  const all = none();
  const afterRestart = none();
  const before = new Set<string>();
  const since = new Set<string>();
  let restarted = false;
  let machine = await openMachine();
  let pagesRead = 0;
  try {
    let count = 0;
    for (const { customer, prompt, afterMs } of options.traffic) {
      if (count === options.restartsAfter) {
        await machine.busy.ended();
        pagesRead += machine.store.figures.pagesRead;
        await machine[Symbol.asyncDispose]();
        machine = await openMachine();
        restarted = true;
      }
      count += 1;
      now += afterMs;
      await machine.scheduler.trim(CACHE_IDLE_MS);
      const scope = `customer ${customer}`;
      const cached = await promptOnce(machine.scheduler, prompt, scope);
      const digests = pageDigests({ prompt, scope });
      const known = (set: ReadonlySet<string>) => {
        const first = digests.findIndex((digest) => !set.has(digest));
        return first === -1 ? digests.length : first;
      };
      const [old, fresh] = [known(before), known(since)];
      add(all, Math.max(old, fresh), cached);
      if (restarted && old > fresh) add(afterRestart, old, cached);
      for (const digest of digests) (restarted ? since : before).add(digest);
    }
    await machine.busy.ended();
    const { pagesRead: later, bytes } = machine.store.figures;
    return { all, afterRestart, pagesRead: pagesRead + later, storedBytes: bytes };
  } finally {
    await machine[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  }
}

/** Returns the number of tokens that were not computed. */
function promptOnce(
  scheduler: Scheduler,
  prompt: readonly number[],
  scope: string,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const running = scheduler.submit({
      prompt,
      maxTokens: 1,
      scope,
      isStorable: true,
      wantsLogits: false,
      choose: (best) => best,
      end: (why, cause) =>
        why === 'length' ? resolve(running.cachedTokens) : reject(cause ?? new Error(why)),
    });
  });
}

function add(figures: ReuseFigures, pages: number, cachedTokens: number): void {
  if (pages === 0) return;
  const tokens = pages * PAGE_TOKENS;
  figures.repeats += 1;
  figures.repeatedTokens += tokens;
  figures.cachedTokens += Math.min(tokens, cachedTokens);
  if (cachedTokens >= tokens / 2) figures.reused += 1;
}

/** Counts calls that copy or write units. */
class Busy {
  #calls = 0;

  readonly during = async <T>(call: () => Promise<T>): Promise<T> => {
    this.#calls += 1;
    try {
      return await call();
    } finally {
      this.#calls -= 1;
    }
  };

  /** Resolves when everything is written: one call follows another within a turn of the event loop. */
  async ended(): Promise<void> {
    for (let quiet = 0; quiet < 3; quiet = this.#calls === 0 ? quiet + 1 : 0) await setImmediate();
  }
}

const watched = (decoder: Decoder, { during }: Busy): Decoder => ({
  memoryBytes: decoder.memoryBytes,
  cacheBytes: 0,
  step: (step) => decoder.step(step),
  keep: (pages, states) => decoder.keep(pages, states),
  save: (units) => during(() => decoder.save(units)),
  restore: (units, bytes) => decoder.restore(units, bytes),
  [Symbol.asyncDispose]: () => decoder[Symbol.asyncDispose](),
});
