import { type Decoder, PAGE_TOKENS } from '../decoders/decoder.ts';
import { stepOf } from '../decoders/step.ts';
import { type Guard, stepLimitMs, TRIM_LIMIT_MS } from '../guarded-work.ts';
import type { Speeds } from '../scheduling/speeds.ts';
import { DraftChains } from './draft-chains.ts';
import type { DraftSource } from './draft-source.ts';

interface DraftModelOptions {
  readonly decoder: Decoder;
  /** Number of tokens that both models have. */
  readonly vocabulary: number;
  readonly contextTokens: number;
  /** Maximum number of tokens in one step. */
  readonly maxTokens: number;
  /** Speeds of the draft model, as they were measured when it was loaded. */
  readonly speeds: Speeds;
  readonly guard: Guard;
  readonly clock: () => number;
  /** Called once if the draft model fails. From then on it drafts nothing. */
  readonly onFailure: (error: unknown) => void;
}

/** Number of tokens that the draft model reads when it begins to draft in the middle of a text. */
const MOST_READ = 256;
const SMOOTHING = 0.2;

/** The next tokens of one text. */
interface ModelPart {
  readonly text: DraftedText;
  readonly next: readonly number[];
}

/**
 * A small model with the tokens of a larger one, whose answers it drafts. Its cache has the same pages: a
 * sequence uses those pages that the scheduler gave to it and to no other sequence. It writes each page
 * before it reads it, so that it never reads what another sequence left.
 */
export class DraftModel implements AsyncDisposable {
  readonly #options: DraftModelOptions;
  #stepMs: number;
  readonly #chains: DraftChains<DraftedText, ModelPart>;

  constructor(options: DraftModelOptions) {
    this.#options = options;
    this.#stepMs = 1_000 / options.speeds.decodeTps;
    this.#chains = new DraftChains({
      vocabulary: options.vocabulary,
      first: ({ text, tokens }, jobs) => {
        const room = Math.min(MOST_READ, Math.floor(options.maxTokens / jobs));
        return { text, next: text.nextOf(tokens, room) };
      },
      next: ({ text }, token) => ({ text, next: [token] }),
      pass: (parts) => this.#pass(parts),
      onFailure: options.onFailure,
    });
  }

  /** Returns the source for an answer with these pages. */
  begin(pages: Int32Array): DraftSource {
    const text = new DraftedText(pages);
    const { vocabulary, contextTokens } = this.#options;
    const most = Math.min(contextTokens, pages.length * PAGE_TOKENS);
    return {
      isCheap: false,
      expectedMs: (tokens, count) => this.#expectedMs(text.unread(tokens), count),
      draft: (tokens, count) => {
        const end = text.length + Math.min(text.unread(tokens), MOST_READ) + count;
        const isUnknown = tokens.slice(-MOST_READ).some((token) => token >= vocabulary);
        if (this.#chains.hasFailed || isUnknown || end > most) return [];
        return this.#chains.draft({ text, tokens, most: count });
      },
    };
  }

  async keep(pages: number): Promise<void> {
    const { decoder, guard } = this.#options;
    try {
      await guard({ kind: 'trim', limitMs: TRIM_LIMIT_MS }, () => decoder.keep(pages, 0));
    } catch (error) {
      this.#chains.fail(error);
    }
  }

  #expectedMs(unread: number, count: number): number {
    if (count === 0) return 0;
    const readMs = (1_000 * Math.min(unread, MOST_READ)) / this.#options.speeds.prefillTps;
    return Math.max(readMs, this.#stepMs) + (count - 1) * this.#stepMs;
  }

  async #pass(parts: readonly ModelPart[]): Promise<Int32Array> {
    const { decoder, guard, speeds, clock } = this.#options;
    const tokens = parts.reduce((sum, { next }) => sum + next.length, 0);
    const step = stepOf(
      parts.map(({ text, next }) => ({
        tokens: next,
        from: text.length,
        pages: text.pages,
        outputTokens: 'last',
      })),
      false,
    );
    const began = clock();
    const { best } = await guard({ kind: 'step', limitMs: stepLimitMs(speeds, tokens) }, () =>
      decoder.step(step),
    );
    if (tokens === parts.length) this.#stepMs += SMOOTHING * (clock() - began - this.#stepMs);
    for (const { text, next } of parts) text.read(next);
    return best;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#options.decoder[Symbol.asyncDispose]();
  }
}

/** The part of an answer's text that is in the cache of the draft model. */
class DraftedText {
  readonly pages: Int32Array;
  /** The place in the text where the draft model began to read. */
  #begin = 0;
  readonly #read: number[] = [];

  constructor(pages: Int32Array) {
    this.pages = pages;
  }

  /** Number of tokens in the cache. */
  get length(): number {
    return this.#read.length;
  }

  read(tokens: readonly number[]): void {
    this.#read.push(...tokens);
  }

  /** Number of tokens that must be read before the next one can be drafted. */
  unread(tokens: readonly number[]): number {
    return tokens.length - this.#begin - this.#common(tokens);
  }

  /**
   * Returns the tokens to read next, at most `most`. Wrong drafts are forgotten. If there is more to read,
   * the text begins anew with its last tokens.
   */
  nextOf(tokens: readonly number[], most: number): readonly number[] {
    this.#read.length = this.#common(tokens);
    if (this.unread(tokens) > most) {
      this.#begin = tokens.length - most;
      this.#read.length = 0;
    }
    return tokens.slice(this.#begin + this.#read.length);
  }

  /** Number of read tokens that are those of the text, without its last token. */
  #common(tokens: readonly number[]): number {
    const most = Math.min(this.#read.length, tokens.length - this.#begin - 1);
    let count = Math.max(0, most - CHANGEABLE);
    while (count < most && this.#read[count] === tokens[this.#begin + count]) count += 1;
    return count;
  }
}

/** Only drafts of the last step can be wrong: earlier tokens were compared before. */
const CHANGEABLE = 32;
