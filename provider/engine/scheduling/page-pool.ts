import { createHash } from 'node:crypto';
import { PAGE_TOKENS } from '../decoders/decoder.ts';

/**
 * Whose the pages of the key and value cache are.
 *
 *   free → held by one or more sequences → known (full, its content named by a digest, held by nobody) → free
 *
 * Invariants: a page is in exactly one of these states; a page that others may hold is never written to, because only full pages
 * are named and what is full is not written again; a sequence has all the pages it will ever need before it starts.
 *
 * The lowest free page is taken first: a decoder holds memory up to the highest page in use, and gives back what lies above.
 */
export class PagePool {
  /** 1 for a page that is free. */
  readonly #free: Uint8Array;
  #freePages: number;
  /** No lower page is free. */
  #lowestFree = 0;
  readonly #holders: Int32Array;
  /** The digest of what a full page holds, with all that stands before it. */
  readonly #digests: (string | undefined)[];
  readonly #byDigest = new Map<string, number>();
  /** Known and held by nobody, with the time of its release; the one that was released first is first. */
  readonly #known = new Map<number, number>();

  constructor(pages: number) {
    this.#free = new Uint8Array(pages).fill(1);
    this.#freePages = pages;
    this.#holders = new Int32Array(pages);
    this.#digests = Array.from({ length: pages });
  }

  get available(): number {
    return this.#freePages + this.#known.size;
  }

  /**
   * Pages for a sequence of at most `tokens` tokens, or nothing when there are not enough. Of those, the first ones may hold the
   * beginning of the prompt already; the last token of a prompt is always worked out anew, because its successor is asked.
   */
  take({ prompt, scope, tokens }: { prompt: readonly number[]; scope: string; tokens: number }): SequencePages | undefined {
    const { shared, digest } = this.#shared(prompt, scope);
    const more = Math.ceil(tokens / PAGE_TOKENS) - shared.length;
    const unheld = shared.filter((page) => this.#holders[page] === 0).length;
    if (more > this.available - unheld) return undefined;
    for (const page of shared) this.#hold(page);
    const own = Array.from({ length: more }, () => this.#claim());
    return { pages: Int32Array.from([...shared, ...own]), named: shared.length, digest };
  }

  /** Tokens of the prompt that `take` would find worked out. */
  knownTokens(prompt: readonly number[], scope: string): number {
    return this.#shared(prompt, scope).shared.length * PAGE_TOKENS;
  }

  #shared(prompt: readonly number[], scope: string): { shared: number[]; digest: string } {
    const shared: number[] = [];
    let digest = scope;
    for (let from = 0; from + PAGE_TOKENS < prompt.length; from += PAGE_TOKENS) {
      const next = digestOf(digest, prompt, from);
      const page = this.#byDigest.get(next);
      if (page === undefined) break;
      shared.push(page);
      digest = next;
    }
    return { shared, digest };
  }

  /** Names the pages that the tokens so far have filled, so that others who begin alike find them. */
  name(sequence: SequencePages, tokens: readonly number[]): void {
    while ((sequence.named + 1) * PAGE_TOKENS <= tokens.length) {
      const page = sequence.pages[sequence.named] as number;
      sequence.digest = digestOf(sequence.digest, tokens, sequence.named * PAGE_TOKENS);
      sequence.named += 1;
      if (this.#byDigest.has(sequence.digest)) continue;
      this.#byDigest.set(sequence.digest, page);
      this.#digests[page] = sequence.digest;
    }
  }

  release({ pages }: SequencePages, now: number): void {
    // The end of a text is the least likely to be asked for again: it goes first.
    for (const page of pages.toReversed()) {
      const holders = (this.#holders[page] as number) - 1;
      this.#holders[page] = holders;
      if (holders > 0) continue;
      if (this.#digests[page] === undefined) this.#setFree(page);
      else this.#known.set(page, now);
    }
  }

  /** Frees known pages that were released before a time. Returns how many pages, from the first one on, hold all that is left. */
  trim(before: number): number {
    for (const [page, releasedAt] of this.#known) if (releasedAt < before) this.#setFree(this.#forget(page));
    return this.#free.lastIndexOf(0) + 1;
  }

  #setFree(page: number): void {
    this.#free[page] = 1;
    this.#freePages += 1;
    this.#lowestFree = Math.min(this.#lowestFree, page);
  }

  #hold(page: number): void {
    this.#known.delete(page);
    this.#holders[page] = (this.#holders[page] as number) + 1;
  }

  #claim(): number {
    const page = this.#takeFree() ?? this.#forget(this.#known.keys().next().value);
    this.#hold(page);
    return page;
  }

  #takeFree(): number | undefined {
    const page = this.#free.indexOf(1, this.#lowestFree);
    if (page === -1) return undefined;
    this.#free[page] = 0;
    this.#freePages -= 1;
    this.#lowestFree = page + 1;
    return page;
  }

  #forget(page: number | undefined): number {
    if (page === undefined) throw new Error('a page was claimed that is not there');
    this.#known.delete(page);
    this.#byDigest.delete(this.#digests[page] as string);
    this.#digests[page] = undefined;
    return page;
  }
}

export interface SequencePages {
  readonly pages: Int32Array<ArrayBuffer>;
  /** Full pages at the start that have a name. */
  named: number;
  /** Of those pages; of none, the scope: only sequences of the same scope share pages. */
  digest: string;
}

function digestOf(before: string, tokens: readonly number[], from: number): string {
  return createHash('sha256')
    .update(before)
    .update(Int32Array.from(tokens.slice(from, from + PAGE_TOKENS)))
    .digest('base64');
}
