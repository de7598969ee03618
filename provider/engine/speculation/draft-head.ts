import { type DraftStep, PAGE_TOKENS } from '../decoders/decoder.ts';
import { type DraftPart, draftStepOf } from '../decoders/step.ts';
import { type Guard, stepLimitMs } from '../guarded-work.ts';
import type { Speeds } from '../scheduling/speeds.ts';
import type { Task } from '../scheduling/task.ts';
import { DraftChains, type DraftJob } from './draft-chains.ts';
import type { DraftSource, KeptStates } from './draft-source.ts';
import { RecentTimes } from './recent-times.ts';

/** Time that a head takes, in milliseconds. */
export interface HeadTimes {
  /** For a draft after one token. */
  readonly stepMs: number;
  /** For each further token that it reads before that. */
  readonly readMs: number;
}

interface DraftHeadOptions {
  readonly draft: (step: DraftStep) => Promise<Int32Array>;
  readonly vocabulary: number;
  /** Maximum number of tokens in one pass. */
  readonly maxTokens: number;
  /** Times that were measured when the model was loaded. */
  readonly times: HeadTimes;
  readonly speeds: Speeds;
  readonly guard: Guard;
  readonly clock: () => number;
  /** Called once if the head fails. From then on it drafts nothing. */
  readonly onFailure: (error: unknown) => void;
}

/**
 * Maximum number of tokens that are drafted at once. A head is trained to draft one: after that, it gets its
 * own state in place of the model's, and each further token is less often right.
 */
const MOST_DRAFTED = 3;

/** A text with the states that the decoder kept of the last step. */
interface HeadRequest {
  readonly text: HeadText;
  readonly kept: KeptStates;
}

/** The share of a pass for one text, and the text. */
interface HeadPart {
  readonly text: HeadText;
  readonly part: DraftPart;
}

/**
 * The head of a model that drafts the tokens of its own answers. It reads a token together with the
 * state that the model had before it. The decoder keeps these states for one step, so the head reads
 * the tokens of the last step and never those of earlier ones: it begins with the end of the prompt, and
 * has gaps where an answer got no drafts. That changes how often drafts are right, and no answer.
 *
 * Its cache has the same pages as the answer, as that of a draft model (draft-model.ts).
 */
export class DraftHead {
  readonly #options: DraftHeadOptions;
  readonly #chains: DraftChains<HeadRequest, HeadPart>;
  /** Times of the last passes with one token for each text. */
  readonly #times: RecentTimes;

  constructor(options: DraftHeadOptions) {
    this.#options = options;
    this.#times = new RecentTimes(options.times.stepMs);
    this.#chains = new DraftChains({
      vocabulary: options.vocabulary,
      first: (job, jobs) => this.#first(job, jobs),
      next: ({ text: { text } }, token) => ({ text, part: text.afterDraft(token) }),
      pass: (parts, isFirst) => this.#pass(parts, isFirst),
      onFailure: options.onFailure,
    });
  }

  /** Returns the source for an answer with these pages. */
  begin({ images = [] }: Task, pages: Int32Array): DraftSource {
    // The head knows tokens of images only by the states that follow them.
    const first = Math.max(0, ...images.map(({ at, tokens }) => at + tokens));
    const text = new HeadText(pages, first);
    const isPossible = (
      tokens: readonly number[],
      most: number,
      kept: KeptStates | undefined,
    ): kept is KeptStates =>
      !this.#chains.hasFailed &&
      kept !== undefined &&
      most <= MOST_DRAFTED &&
      text.room > most &&
      text.unread(tokens, kept) > 0;
    return {
      isCheap: false,
      expectedMs: (tokens, count, kept) => {
        if (count === 0) return 0;
        if (!isPossible(tokens, count, kept)) return Number.POSITIVE_INFINITY;
        const read = Math.min(text.unread(tokens, kept), this.#mostRead);
        return count * this.#stepMs + (read - 1) * this.#options.times.readMs;
      },
      draft: (tokens, wanted, kept) => {
        const most = Math.min(wanted, MOST_DRAFTED);
        if (most === 0 || !isPossible(tokens, most, kept)) return [];
        return this.#chains.draft({ text: { text, kept }, tokens, most });
      },
    };
  }

  /** It reads no more tokens than take about as long as one draft. */
  get #mostRead(): number {
    return 1 + Math.min(MOST_READ, Math.floor(this.#stepMs / this.#options.times.readMs));
  }

  #first({ text: { text, kept }, tokens, most }: DraftJob<HeadRequest>, jobs: number): HeadPart {
    const share = Math.max(1, Math.floor(this.#options.maxTokens / jobs));
    const count = Math.min(share, this.#mostRead, text.room - most);
    return { text, part: text.unreadPart(tokens, { kept, most: count }) };
  }

  async #pass(parts: readonly HeadPart[], isFirst: boolean): Promise<Int32Array> {
    const { draft, guard, speeds, clock } = this.#options;
    let tokens = 0;
    for (const { text, part } of parts) {
      tokens += part.tokens.length;
      text.lastIndex = tokens - 1;
    }
    const step = draftStepOf(
      parts.map(({ part }) => part),
      !isFirst,
    );
    const began = clock();
    const best = await guard({ kind: 'step', limitMs: stepLimitMs(speeds, tokens) }, () =>
      draft(step),
    );
    if (tokens === parts.length) this.#times.add(clock() - began);
    return best;
  }

  get #stepMs(): number {
    return this.#times.middle;
  }
}

/** Maximum number of tokens that the head reads before a draft, however fast it is. */
const MOST_READ = 256;

/** The part of an answer's text that is in the cache of the head. */
class HeadText {
  readonly #pages: Int32Array;
  /** The first token that may be read. */
  readonly #first: number;
  /** Number of tokens of the text in the cache. Drafted ones after them are written over. */
  #length = 0;
  /** The place of the next token to read. */
  #next: number;
  /** The place of the token before the last one in the cache. */
  #at = 0;
  /** Number of drafted tokens after them. */
  #drafted = 0;
  /** The index of the last token of this text in the last pass. */
  lastIndex = 0;

  constructor(pages: Int32Array, first: number) {
    this.#pages = pages;
    this.#first = first;
    this.#next = first;
  }

  /** Number of further tokens for which the cache has room. */
  get room(): number {
    return this.#pages.length * PAGE_TOKENS - this.#length;
  }

  /** Number of tokens at the end of the text that can be read, because the states before them were kept. */
  unread(tokens: readonly number[], { from }: KeptStates): number {
    return tokens.length - Math.max(this.#next, this.#first, from + 1);
  }

  /** The part with the last unread tokens, at most `most`. */
  unreadPart(
    tokens: readonly number[],
    { kept, most }: { kept: KeptStates; most: number },
  ): DraftPart {
    const count = Math.min(this.unread(tokens, kept), most);
    const first = tokens.length - count;
    const part = {
      tokens: tokens.slice(first),
      from: this.#length,
      at: first - 1,
      before: kept.index + first - 1 - kept.from,
      pages: this.#pages,
    };
    this.#length += count;
    this.#next = tokens.length;
    this.#at = tokens.length - 2;
    this.#drafted = 0;
    return part;
  }

  /** The part for a drafted token. */
  afterDraft(token: number): DraftPart {
    this.#drafted += 1;
    return {
      tokens: [token],
      from: this.#length + this.#drafted - 1,
      at: this.#at + this.#drafted,
      before: this.lastIndex,
      pages: this.#pages,
    };
  }
}
