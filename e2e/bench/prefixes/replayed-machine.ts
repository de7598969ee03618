import { setImmediate } from 'node:timers/promises';
import { changedDecoder } from '#provider/engine/decoders/changed-decoder-under-test.ts';
import { type Backend, type Decoder, unitBytesOf } from '#provider/engine/decoders/decoder.ts';
import { Scheduler } from '#provider/engine/scheduling/scheduler.ts';
import { modelStore } from '#provider/engine/stored/model-store.ts';
import { PrefixStore } from '#provider/engine/stored/prefix-store.ts';
import type { DecoderModel } from '#provider/models/model.ts';

export interface ReplayedMachineOptions {
  readonly backend: Backend;
  readonly model: DecoderModel;
  /** Pages in memory. */
  readonly pages: number;
  /** State slots; 0 for a model without states. */
  readonly states: number;
  /** The folder of its disk, and the most bytes in it; 0 for a machine without this cache. */
  readonly folder: string;
  readonly storedBytes: number;
  /** Speed of prompts, in tokens per second, which decides what is worth loading. */
  readonly prefillTps: number;
  /** Monotonic time and the time since 1970, in milliseconds. */
  readonly clock: () => number;
  readonly now: () => number;
}

const SLOTS = 4;
/** Most tokens in one step. */
const STEP_TOKENS = 512;

/** The scheduler, the decoder and the store of a machine, without its processes. */
export class ReplayedMachine implements AsyncDisposable {
  readonly store: PrefixStore;
  readonly scheduler: Scheduler;
  readonly #decoder: Decoder;
  readonly #busy: Busy;

  private constructor(parts: {
    store: PrefixStore;
    scheduler: Scheduler;
    decoder: Decoder;
    busy: Busy;
  }) {
    this.store = parts.store;
    this.scheduler = parts.scheduler;
    this.#decoder = parts.decoder;
    this.#busy = parts.busy;
  }

  static async open(options: ReplayedMachineOptions): Promise<ReplayedMachine> {
    const { backend, model, pages, states, folder, storedBytes, prefillTps, clock, now } = options;
    const store = await PrefixStore.open({
      folder,
      secret: new Uint8Array(32),
      limits: {
        mostBytes: storedBytes,
        mostAgeMs: 6 * 3_600_000,
        dailyBytes: 1e12,
        freeBytes: 0,
      },
      log: console,
      now,
    });
    const loaded = await backend.load({ model, pages, states, maxTokens: STEP_TOKENS });
    const busy = new Busy();
    const decoder = watched(loaded, busy);
    const units = modelStore(store, {
      model: { ...model, digest: new Uint8Array(32) },
      backend,
      version: 'replay',
    });
    const scheduler = new Scheduler({
      decoder,
      pages,
      states,
      maxTokens: STEP_TOKENS,
      maxRunning: SLOTS,
      prefillMs: 100,
      speeds: { prefillTps, decodeTps: 10 },
      stored: {
        store: {
          get isWritable() {
            return units.isWritable;
          },
          has: units.has,
          read: units.read,
          write: (...unit) => busy.during(() => units.write(...unit)),
        },
        unitBytes: unitBytesOf(model, backend),
      },
      clock,
      onFailure: (error) => console.error(error),
    });
    return new ReplayedMachine({ store, scheduler, decoder, busy });
  }

  /** Computes a prompt and the first token after it. Returns the number of tokens that were not computed. */
  prompt(prompt: readonly number[], scope: string): Promise<number> {
    return new Promise((resolve, reject) => {
      const running = this.scheduler.submit({
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

  /** Resolves when everything that is worth it is on the disk. */
  stored(): Promise<void> {
    return this.#busy.ended();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.scheduler.close();
    await this.#decoder[Symbol.asyncDispose]();
    this.store[Symbol.dispose]();
  }
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

const watched = (decoder: Decoder, { during }: Busy): Decoder =>
  changedDecoder(decoder, { save: (units) => during(() => decoder.save(units)) });
