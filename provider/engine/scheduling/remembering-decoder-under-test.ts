import { isDeepStrictEqual } from 'node:util';
import { checkAdvance, checkExpected, checkStep, type StepLimits } from '../decoders/check-step.ts';
import {
  type Advance,
  type Decoder,
  NO_STATE,
  PAGE_TOKENS,
  type Step,
  type StepResult,
  type Units,
} from '../decoders/decoder.ts';
import { pagesOf } from '../decoders/step.ts';

const VOCABULARY = 97;

/** The sizes of its pages and states. A state has at most 256 tokens. */
export const REMEMBERED = { page: 4 * PAGE_TOKENS, state: 4 * 256 };

/** Computes the next token of a text from all of its tokens and their positions. */
export const nextOf = (tokens: readonly number[]): number =>
  tokens.reduce((sum, token, i) => (sum * 31 + token * 7 + i) % 1_000_003, 5) % VOCABULARY;

/**
 * A decoder that stores only the tokens in its pages, and computes the next token from them. If the
 * scheduler writes a token to the wrong place, the answer changes. In place of a token of an image, it
 * stores its embedding, which is one number. With states, it computes the next
 * token from the tokens in the state of the sequence.
 */
export class RememberingDecoder implements Decoder {
  readonly memoryBytes = 0;
  cacheBytes = 0;
  readonly #memory: Int32Array;
  readonly #options: {
    readonly failsAt?: number;
    readonly states?: number;
    readonly worksAhead?: boolean;
  };
  /** The expected step, which is computed already, and its result. */
  #ahead: { readonly step: Step; readonly best: Int32Array } | undefined;
  /** Number of steps that were computed before they were asked for. */
  aheads = 0;
  steps = 0;
  /** Number of tokens of all steps. */
  tokens = 0;
  /** The number of pages and states that were restored. */
  restored = 0;
  largest = 0;
  isClosed = false;
  readonly #states: (readonly number[] | undefined)[] = [];
  #stepped: Int32Array = new Int32Array();
  /** The number of states that the last `keep` kept. */
  keptStates = 0;

  constructor(
    pages: number,
    options: { failsAt?: number; states?: number; worksAhead?: boolean } = {},
  ) {
    this.#memory = new Int32Array(pages * PAGE_TOKENS).fill(-1);
    this.#options = options;
  }

  get worksAhead(): boolean {
    return this.#options.worksAhead === true && !this.#options.states;
  }

  async keep(pages: number, states: number): Promise<void> {
    this.#ahead = undefined;
    this.keptStates = states;
    this.#states.length = Math.min(this.#states.length, states);
    this.#memory.fill(-1, pages * PAGE_TOKENS);
    this.cacheBytes = Math.min(this.cacheBytes, pages);
  }

  async save({ pages, states }: Units): Promise<Uint8Array<ArrayBuffer>> {
    const ofStates = [...states].map((slot) => {
      const text = this.#states[slot];
      if (text === undefined) throw new Error('a state was saved that nothing wrote');
      const numbers = new Int32Array(REMEMBERED.state / 4).fill(-1);
      numbers.set(text);
      return numbers;
    });
    const all = [...[...pages].map((page) => this.#pageOf(page)), ...ofStates];
    return new Uint8Array(Int32Array.from(all.flatMap((numbers) => [...numbers])).buffer);
  }

  async restore({ pages, states }: Units, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    this.#ahead = undefined;
    const numbers = new Int32Array(bytes.slice().buffer);
    for (const [i, page] of pages.entries())
      this.#pageOf(page).set(numbers.subarray(i * PAGE_TOKENS, (i + 1) * PAGE_TOKENS));
    const texts = numbers.subarray(pages.length * PAGE_TOKENS);
    for (const [i, slot] of states.entries()) {
      const text = texts.subarray((i * REMEMBERED.state) / 4, ((i + 1) * REMEMBERED.state) / 4);
      this.#states[slot] = [...text].filter((token) => token !== -1);
    }
    this.restored += pages.length + states.length;
  }

  async draft(): Promise<Int32Array> {
    throw new Error('the decoder has no draft head');
  }

  async advance(advance: Advance): Promise<void> {
    checkAdvance(advance, this.#limits, this.#stepped.length);
    for (const [i, slot] of advance.slots.entries()) {
      const first = advance.firsts[i] as number;
      const text = this.#states[slot];
      if (text === undefined) throw new Error('a state was advanced that nothing wrote');
      const tokens = this.#stepped.subarray(first, first + (advance.counts[i] as number));
      this.#states[slot] = [...text, ...tokens];
    }
  }

  get #limits(): StepLimits {
    return {
      vocabulary: VOCABULARY,
      imageNumbers: 1,
      pages: this.#memory.length / PAGE_TOKENS,
      maxTokens: Number.POSITIVE_INFINITY,
      states: this.#options.states ?? 0,
    };
  }

  #pageOf(page: number): Int32Array {
    return this.#memory.subarray(page * PAGE_TOKENS, (page + 1) * PAGE_TOKENS);
  }

  async step(step: Step, expected?: Step): Promise<StepResult> {
    checkStep(step, this.#limits);
    if (expected !== undefined) {
      if (!this.worksAhead) throw new Error('a step is expected of a decoder that works not ahead');
      checkExpected(expected, step, this.#limits);
    }
    const ahead = this.#ahead;
    this.#ahead = undefined;
    this.#stepped = step.tokens;
    this.steps += 1;
    this.tokens += step.tokens.length;
    this.largest = Math.max(this.largest, step.tokens.length);
    this.cacheBytes = Math.max(this.cacheBytes, pagesOf(step));
    await new Promise((resolve) => setImmediate(resolve));
    if (this.steps === this.#options.failsAt) throw new Error('the device is lost');
    for (const [i, token] of step.tokens.entries()) this.#memory[step.places[i] as number] = token;
    for (const [index, i] of step.imageTokens.entries()) {
      this.#memory[step.places[i] as number] = step.imageEmbeddings[index] as number;
      const last = (step.ends[i] as number) - 1;
      const isWhole = step.positions.some(
        (position, other) => position === last && step.rows[other] === step.rows[i],
      );
      if (!isWhole) throw new Error('a step has only a part of an image');
    }
    const texts = this.#options.states ? this.#readStates(step) : [];
    const wasAhead = ahead !== undefined && isDeepStrictEqual(ahead.step, step);
    if (wasAhead) this.aheads += 1;
    const best = wasAhead ? ahead.best : this.#bestOf(step, texts);
    if (expected !== undefined) this.#begin({ ...expected, tokens: Int32Array.from(best) });
    if (!step.wantsLogits) return { best };
    const logits = new Float32Array(best.length * VOCABULARY);
    for (const [i, token] of best.entries()) logits[i * VOCABULARY + token] = 5;
    return { best, logits };
  }

  #begin(step: Step): void {
    for (const [i, token] of step.tokens.entries()) this.#memory[step.places[i] as number] = token;
    this.#ahead = { step, best: this.#bestOf(step, []) };
  }

  #bestOf(step: Step, texts: readonly (readonly number[])[]): Int32Array {
    return step.outputs.map((output) => {
      const text = texts[output];
      if (text !== undefined) return nextOf(text);
      const table = (step.rows[output] as number) * step.tableWidth;
      const seen = Array.from({ length: (step.positions[output] as number) + 1 }, (_, position) => {
        const page = step.tables[table + Math.floor(position / PAGE_TOKENS)] as number;
        return this.#memory[page * PAGE_TOKENS + (position % PAGE_TOKENS)] as number;
      });
      return nextOf(seen);
    });
  }

  /** Returns the text of each token's sequence up to the token, and stores the texts in the states. */
  #readStates({ tokens, rows, states }: Step): (readonly number[])[] {
    const texts: (readonly number[])[] = [];
    const stored = [...this.#states];
    for (const [i, token] of tokens.entries()) {
      const [read, write] = states.slice(2 * (rows[i] as number)) as unknown as [number, number];
      const isFirst = rows[i] !== rows[i - 1];
      const before = isFirst ? (read === NO_STATE ? [] : stored[read]) : texts[i - 1];
      if (before === undefined) throw new Error('a state was read that nothing wrote');
      const text = [...before, token];
      texts.push(text);
      this.#states[write] = text;
    }
    return texts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isClosed = true;
  }
}
