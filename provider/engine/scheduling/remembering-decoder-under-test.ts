import { type Decoder, PAGE_TOKENS, type Step, type StepResult } from '../decoders/decoder.ts';
import { pagesOf } from '../decoders/step.ts';

const VOCABULARY = 97;

/** Computes the next token of a text from all of its tokens and their positions. */
export const nextOf = (tokens: readonly number[]): number =>
  tokens.reduce((sum, token, i) => (sum * 31 + token * 7 + i) % 1_000_003, 5) % VOCABULARY;

/**
 * A decoder that stores only the tokens in its pages, and computes the next token from them. If the
 * scheduler writes a token to the wrong place, the answer changes.
 */
export class RememberingDecoder implements Decoder {
  readonly memoryBytes = 0;
  cacheBytes = 0;
  readonly #memory: Int32Array;
  readonly #options: { readonly failsAt?: number };
  steps = 0;
  largest = 0;
  isClosed = false;

  constructor(pages: number, options: { failsAt?: number } = {}) {
    this.#memory = new Int32Array(pages * PAGE_TOKENS).fill(-1);
    this.#options = options;
  }

  async keep(pages: number): Promise<void> {
    this.#memory.fill(-1, pages * PAGE_TOKENS);
    this.cacheBytes = Math.min(this.cacheBytes, pages);
  }

  async step(step: Step): Promise<StepResult> {
    this.steps += 1;
    this.largest = Math.max(this.largest, step.tokens.length);
    this.cacheBytes = Math.max(this.cacheBytes, pagesOf(step));
    await new Promise((resolve) => setImmediate(resolve));
    if (this.steps === this.#options.failsAt) throw new Error('the device is lost');
    for (const [i, token] of step.tokens.entries()) this.#memory[step.places[i] as number] = token;
    const best = step.outputs.map((output) => {
      const table = (step.rows[output] as number) * step.tableWidth;
      const seen = Array.from({ length: (step.positions[output] as number) + 1 }, (_, position) => {
        const page = step.tables[table + Math.floor(position / PAGE_TOKENS)] as number;
        return this.#memory[page * PAGE_TOKENS + (position % PAGE_TOKENS)] as number;
      });
      return nextOf(seen);
    });
    if (!step.wantsLogits) return { best };
    const logits = new Float32Array(best.length * VOCABULARY);
    for (const [i, token] of best.entries()) logits[i * VOCABULARY + token] = 5;
    return { best, logits };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isClosed = true;
  }
}
