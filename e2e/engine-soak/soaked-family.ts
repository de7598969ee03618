import { setTimeout as sleep } from 'node:timers/promises';
import { type Backend, PAGE_TOKENS, unitBytesOf } from '#provider/engine/decoders/decoder.ts';
import { Scheduler } from '#provider/engine/scheduling/scheduler.ts';
import type { Running } from '#provider/engine/scheduling/task.ts';
import { drafterOf } from '#provider/engine/speculation/drafter.ts';
import { modelStore } from '#provider/engine/stored/model-store.ts';
import type { PrefixStore } from '#provider/engine/stored/prefix-store.ts';
import type { DecoderModel } from '#provider/models/model.ts';
import type { Conversation } from './conversations.ts';

export interface SoakedFamilyOptions {
  readonly name: string;
  readonly backend: Backend;
  readonly model: DecoderModel;
  readonly store: PrefixStore;
}

/** Few enough that prompts displace one another, and that lost ones stop the machine soon. */
const PAGES = 300;
const STATES = 8;
const MOST_RUNNING = 4;
const STEP_TOKENS = 256;
/** After cached pages were unused for this time, an idle machine gives them back. */
const TRIM_MS = 200;

/** One model with its scheduler, decoder and stored prefixes, as a provider runs it. */
export class SoakedFamily implements AsyncDisposable {
  readonly name: string;
  readonly #scheduler: Scheduler;
  readonly #parts: AsyncDisposableStack;
  failures = 0;

  private constructor(name: string, scheduler: Scheduler, parts: AsyncDisposableStack) {
    this.name = name;
    this.#scheduler = scheduler;
    this.#parts = parts;
  }

  static async open({ name, backend, model, store }: SoakedFamilyOptions): Promise<SoakedFamily> {
    await using parts = new AsyncDisposableStack();
    const hasStates = unitBytesOf(model, backend).state > 0;
    const states = hasStates ? STATES : 0;
    const decoder = parts.use(
      await backend.load({ model, pages: PAGES, states, maxTokens: STEP_TOKENS }),
    );
    const scheduler = new Scheduler({
      decoder,
      pages: PAGES,
      states,
      maxTokens: STEP_TOKENS,
      maxRunning: MOST_RUNNING,
      prefillMs: 100,
      speeds: { prefillTps: 1_000, decodeTps: 100 },
      stored: {
        store: modelStore(store, {
          model: { ...model, digest: Buffer.from(name.padEnd(32)) },
          backend,
          version: 'soak',
        }),
        unitBytes: unitBytesOf(model, backend),
      },
      drafter: drafterOf({ head: undefined, assistant: undefined, draftModel: undefined }),
      clock: () => performance.now(),
      onFailure: (error) => {
        soaked.failures += 1;
        console.error(`${name}:`, error);
      },
    });
    parts.defer(() => scheduler.close());
    const soaked = new SoakedFamily(name, scheduler, parts.move());
    return soaked;
  }

  /**
   * Returns the tokens after a conversation, the most likely ones, or undefined if it is cancelled after
   * so many of them.
   */
  answer({ prompt, tokens, scope }: Conversation, cancelAfter = Number.POSITIVE_INFINITY) {
    return new Promise<readonly number[] | undefined>((resolve, reject) => {
      const made: number[] = [];
      const running: Running = this.#scheduler.submit({
        prompt,
        maxTokens: tokens,
        scope,
        isStorable: true,
        wantsLogits: false,
        choose: (best) => {
          made.push(best);
          if (made.length > cancelAfter) running.cancel();
          return best;
        },
        end: (why, cause) => {
          if (why === 'length') resolve(made);
          else if (why === 'cancelled') resolve(undefined);
          else reject(cause ?? new Error(`${this.name} ended an answer: ${why}`));
        },
      });
      if (cancelAfter < 0) setImmediate(() => running.cancel());
    });
  }

  /** Number of pages that no request can have any more, though none is running. */
  async lostPages(): Promise<number> {
    await this.#scheduler.trim(TRIM_MS);
    return PAGES - this.#scheduler.freeTokens / PAGE_TOKENS;
  }

  /** Fills every place of the machine at once, which takes a state slot for each. */
  async fillPlaces(conversations: readonly Conversation[]): Promise<void> {
    const all = Promise.all(conversations.slice(0, MOST_RUNNING).map((each) => this.answer(each)));
    const isDone = await Promise.race([all.then(() => true), sleep(60_000, false, { ref: false })]);
    if (!isDone) throw new Error(`${this.name} has lost states or pages: its places do not fill`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts[Symbol.asyncDispose]();
  }
}
