import type { Piece } from '#http-api/core/piece.ts';
import type { MemoryBudget } from '#http-api/memory-budget.ts';
import type { RecountTerms } from './core/recount.ts';

/**
 * Longest part of an answer that is kept, in UTF-16 code units: about 8,000 tokens, which take
 * about 100 ms to count.
 */
const MAX_CHARACTERS = 32_768;

export interface TranscriptOptions {
  /** SHA-256 of the model's tokenizer, in hexadecimal. */
  readonly tokenizer: string;
  readonly terms: RecountTerms;
  readonly memory: MemoryBudget;
}

/**
 * The beginning of an attempt's answer, kept for a recount. It ends before the first frame that
 * does not fit, and the token counts that are compared with it end there too.
 */
export class Transcript implements Disposable {
  readonly tokenizer: string;
  readonly terms: RecountTerms;
  readonly #memory: MemoryBudget;
  #taken = 0;
  #isFull = false;
  text = '';
  /** Tokens that the machine reported. */
  tokens = 0;
  billed = 0;
  calls = 0;

  constructor({ tokenizer, terms, memory }: TranscriptOptions) {
    this.tokenizer = tokenizer;
    this.terms = terms;
    this.#memory = memory;
  }

  /**
   * Adds the pieces of one frame, and the tokens that are billed for it, which are bounded by its
   * bytes.
   */
  add(pieces: readonly Piece[], billed: number): void {
    const deltas = pieces.filter((piece) => piece.k !== 'sealed');
    const names = deltas.map((delta) => (delta.k === 'tool' ? delta.name : undefined));
    const text = deltas.map((delta, i) => (names[i] ?? '') + delta.text).join('');
    // A character takes two bytes in memory.
    this.#isFull ||=
      this.text.length + text.length > MAX_CHARACTERS || !this.#memory.take(text.length * 2);
    if (this.#isFull) return;
    this.#taken += text.length * 2;
    this.text += text;
    this.billed += billed;
    this.tokens += deltas.reduce((sum, { tokens }) => sum + tokens, 0);
    this.calls += names.filter((name) => name !== undefined).length;
  }

  [Symbol.dispose](): void {
    this.#isFull = true;
    this.text = '';
    this.#memory.give(this.#taken);
    this.#taken = 0;
  }
}
