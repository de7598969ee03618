import { createHash } from 'node:crypto';
import { PAGE_TOKENS } from '../decoders/decoder.ts';
import type { PlacedImage } from '../decoders/step.ts';
import type { StatePool } from './state-pool.ts';

/**
 * Assigns the pages of the cache of keys and values to sequences.
 *
 *   free → held by one or more sequences → known (full, found by its digest, not held) → free
 *
 * Invariants: a page is in exactly one of these states. A page that several sequences may hold is
 * never written to, because only full pages get a digest, and a full page is not written again;
 * otherwise one sequence would change the answers of another. A sequence has all pages it may need
 * before it starts.
 *
 * The lowest free page is taken first, because a decoder keeps memory up to the highest page in
 * use.
 */
export class PagePool {
  /** 1 for each free page, otherwise 0. */
  readonly #free: Uint8Array;
  #freePages: number;
  /** No page below this one is free. */
  #lowestFree = 0;
  readonly #holders: Int32Array;
  /** The digest of each full page: of its tokens and of all tokens before them. */
  readonly #digests: (string | undefined)[];
  readonly #byDigest = new Map<string, number>();
  /** Known pages that no sequence holds, with the time of release, the earliest first. */
  readonly #known = new Map<number, number>();

  /** The states after pages, for models that have states. */
  readonly #states: StatePool | undefined;

  constructor(pages: number, states?: StatePool) {
    this.#states = states;
    this.#free = new Uint8Array(pages).fill(1);
    this.#freePages = pages;
    this.#holders = new Int32Array(pages);
    this.#digests = Array.from({ length: pages });
  }

  get available(): number {
    return this.#freePages + this.#known.size;
  }

  /**
   * Returns pages for a sequence of at most `tokens` tokens, or undefined if there are not enough.
   * The first pages may already hold the beginning of the prompt. The last token of a prompt is
   * always computed again, because its logits are needed.
   */
  take({ tokens, ...prefix }: SharedPrompt & { tokens: number }): SequencePages | undefined {
    const { shared, digest, known } = this.#shared(prefix);
    const more = Math.ceil(tokens / PAGE_TOKENS) - shared.length;
    const unheld = shared.filter((page) => this.#holders[page] === 0).length;
    if (more > this.available - unheld) return undefined;
    for (const page of shared) this.#hold(page);
    const own = Array.from({ length: more }, () => this.#claim());
    const last = shared.at(-1);
    return {
      pages: Int32Array.from([...shared, ...own]),
      named: shared.length,
      digest,
      images: prefix.images ?? [],
      known,
      state: last === undefined ? undefined : this.#states?.hold(last),
    };
  }

  /** Number of tokens of the prompt that `take` would find in the cache. */
  knownTokens(prefix: SharedPrompt): number {
    return this.#shared(prefix).shared.length * PAGE_TOKENS;
  }

  /**
   * The cached pages with the beginning of a prompt. If the model has states, a sequence can continue
   * only after a page whose state is stored; `known` counts the pages after it too.
   */
  #shared({ prompt, scope, images = [] }: SharedPrompt): {
    shared: number[];
    digest: string;
    known: number;
  } {
    const shared: number[] = [];
    let digest = scope;
    let continued: { shared: number[]; digest: string } = { shared: [], digest };
    for (let from = 0; from + PAGE_TOKENS < prompt.length; from += PAGE_TOKENS) {
      const next = digestOf(digest, { tokens: prompt, images, from });
      const page = this.#byDigest.get(next);
      if (page === undefined) break;
      shared.push(page);
      digest = next;
      if (this.#states?.isStored(page)) continued = { shared: [...shared], digest };
    }
    if (this.#states === undefined) return { shared, digest, known: shared.length };
    return { ...continued, known: shared.length };
  }

  /** The page with this digest, if it is cached. */
  pageOf(digest: string): number | undefined {
    return this.#byDigest.get(digest);
  }

  /** Whether a prompt that ends with the page of this digest can be continued without computing it. */
  isContinuable(digest: string): boolean {
    const page = this.#byDigest.get(digest);
    return page !== undefined && this.#states?.isStored(page) !== false;
  }

  /** Stores a state as the one after the named pages of a sequence. The caller holds it. */
  store(sequence: SequencePages, slot: number): boolean {
    const page = this.#byDigest.get(sequence.digest);
    return page !== undefined && this.#states?.store(page, slot) === true;
  }

  /**
   * Gives digests to pages that are full, so that sequences with the same beginning can share them.
   * The first `computed` of the tokens are in the pages.
   */
  name(sequence: SequencePages, tokens: readonly number[], computed = tokens.length): void {
    while ((sequence.named + 1) * PAGE_TOKENS <= computed) {
      const page = sequence.pages[sequence.named] as number;
      const { images, named } = sequence;
      sequence.digest = digestOf(sequence.digest, { tokens, images, from: named * PAGE_TOKENS });
      sequence.named += 1;
      if (this.#byDigest.has(sequence.digest)) continue;
      this.#byDigest.set(sequence.digest, page);
      this.#digests[page] = sequence.digest;
    }
  }

  release({ pages }: SequencePages, now: number): void {
    // Later pages are released first: the end of a text is the least likely part to be reused.
    for (const page of pages.toReversed()) {
      const holders = (this.#holders[page] as number) - 1;
      this.#holders[page] = holders;
      if (holders > 0) continue;
      if (this.#digests[page] === undefined) this.#setFree(page);
      else this.#known.set(page, now);
    }
  }

  /**
   * Frees known pages that were released before `before`. Returns the highest page still in use,
   * plus one.
   */
  trim(before: number): number {
    for (const [page, releasedAt] of this.#known)
      if (releasedAt < before) this.#setFree(this.#forget(page));
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
    if (page === undefined) throw new Error('a page was claimed but none is available');
    this.#known.delete(page);
    this.#states?.forget(page);
    this.#byDigest.delete(this.#digests[page] as string);
    this.#digests[page] = undefined;
    return page;
  }
}

/** A prompt whose beginning other sequences of the same scope may share. */
export interface SharedPrompt {
  readonly prompt: readonly number[];
  readonly scope: string;
  readonly images?: readonly NamedImage[] | undefined;
}

type NamedImage = Pick<PlacedImage, 'at' | 'tokens' | 'digest'>;

export interface SequencePages {
  readonly pages: Int32Array<ArrayBuffer>;
  /** Number of pages at the start that are full and have a digest. */
  named: number;
  /**
   * Digest of those pages. It starts from the scope, so that only sequences of one scope share
   * pages.
   */
  digest: string;
  readonly images: readonly NamedImage[];
  /** Number of pages of the prompt that were cached, with those that cannot be continued. */
  readonly known: number;
  /** The slot of the stored state after the named pages, which the sequence holds. */
  readonly state: number | undefined;
}

/** The digests of the full pages of a prompt that another sequence may continue after. */
export function pageDigests({ prompt, scope, images = [] }: SharedPrompt): string[] {
  const digests: string[] = [];
  for (let from = 0; from + PAGE_TOKENS < prompt.length; from += PAGE_TOKENS)
    digests.push(digestOf(digests.at(-1) ?? scope, { tokens: prompt, images, from }));
  return digests;
}

/**
 * The tokens of all images have the same number, so the digest of each image in the page is a part of
 * the page's: otherwise a page would serve for another image. The whole image counts, because its
 * tokens attend to one another.
 */
function digestOf(
  before: string,
  {
    tokens,
    images,
    from,
  }: { tokens: readonly number[]; images: readonly NamedImage[]; from: number },
): string {
  const hash = createHash('sha256')
    .update(before)
    .update(Int32Array.from(tokens.slice(from, from + PAGE_TOKENS)));
  for (const { at, tokens: count, digest } of images)
    if (at < from + PAGE_TOKENS && at + count > from)
      hash.update(`image ${at - from} ${count} ${digest}`);
  return hash.digest('base64');
}
