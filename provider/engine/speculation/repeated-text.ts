import type { DraftSource } from './draft-source.ts';

/** Number of tokens that must repeat before the tokens after them are drafted. */
const LEAST_REPEATED = 3;
/** Number of earlier places that are compared; the one with the longest common text is used. */
const COMPARED = 8;
const MOST_COMPARED_TOKENS = 16;

/**
 * Drafts the tokens that followed the last time when the same tokens stood in the text, as answers do
 * that quote or edit their prompt. It needs no second model.
 *
 * Each group of three tokens is found by a hash, as in compression by LZ77. The memory is bounded by
 * the text: at most 40 bytes for each token.
 */
export class RepeatedText implements DraftSource {
  readonly isCheap = true;
  readonly expectedMs = (): number => 0;
  readonly #text: number[] = [];
  /** The last place after a group of tokens, by its hash, plus one; 0 if there is none. */
  #heads = new Int32Array(0);
  /** For each place, the one before it with the same hash, plus one. */
  #before = new Int32Array(0);
  #indexed = 0;

  /** Between two calls, `tokens` only grows. */
  draft(tokens: readonly number[], most: number): number[] {
    const text = this.#text;
    for (let at = text.length; at < tokens.length; at += 1) text.push(tokens[at] as number);
    this.#index();
    const from = this.#find();
    const drafted: number[] = [];
    if (from === undefined) return drafted;
    // If the repetition overlaps its own end, the drafted tokens are repeated in turn.
    for (let at = from; drafted.length < most; at += 1) {
      drafted.push((at < text.length ? text[at] : drafted[at - text.length]) as number);
    }
    return drafted;
  }

  /** Returns the place after the earlier occurrence with the longest text in common with the end. */
  #find(): number | undefined {
    const end = this.#text.length;
    if (end < LEAST_REPEATED) return undefined;
    let [found, longest]: [number | undefined, number] = [undefined, LEAST_REPEATED - 1];
    let place = (this.#heads[this.#hash(end)] as number) - 1;
    for (let compared = 0; place >= 0 && compared < COMPARED; compared += 1) {
      const common = this.#common(place, end);
      if (common > longest) [found, longest] = [place, common];
      place = (this.#before[place] as number) - 1;
    }
    return found;
  }

  /** Number of equal tokens before two places of the text. */
  #common(one: number, other: number): number {
    let count = 0;
    while (
      count < MOST_COMPARED_TOKENS &&
      count < one &&
      this.#text[one - 1 - count] === this.#text[other - 1 - count]
    )
      count += 1;
    return count;
  }

  /** Indexes all places before the end, which has no token after it. */
  #index(): void {
    const { length } = this.#text;
    if (length > this.#before.length) this.#grow(length);
    for (let place = Math.max(this.#indexed, LEAST_REPEATED); place < length; place += 1) {
      const hash = this.#hash(place);
      this.#before[place] = this.#heads[hash] as number;
      this.#heads[hash] = place + 1;
    }
    this.#indexed = length;
  }

  #grow(length: number): void {
    const size = 2 ** Math.ceil(Math.log2(2 * length));
    this.#before = new Int32Array(size);
    this.#heads = new Int32Array(size);
    this.#indexed = 0;
  }

  /** The hash of the three tokens before a place. */
  #hash(place: number): number {
    let hash = 0;
    for (let i = place - LEAST_REPEATED; i < place; i += 1)
      hash = Math.imul(hash ^ (this.#text[i] as number), 0x9e3779b1) ^ (hash >>> 15);
    return (hash >>> 4) & (this.#heads.length - 1);
  }
}
