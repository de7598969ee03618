import { randomInt } from 'node:crypto';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { CatalogModel } from '#bus-schemas';
import type { TokenCounter } from '#coordinator/tokenizers/token-counter.ts';
import { tokenizerPath } from '#coordinator/tokenizers/tokenizer-files.ts';
import { MemoryBudget } from '#http-api/memory-budget.ts';
import { type CounterOf, counter } from '#observability';
import { isDense, isOverbilled, type RecountTerms } from './core/recount.ts';
import { Transcript } from './transcript.ts';

/**
 * Memory for the texts of all answers that may be recounted, in bytes. Answers that do not fit are
 * not recounted.
 */
const TEXT_BYTES = 64 * 1024 * 1024;
/** Time before a failed tokenizer is tried again, in milliseconds. */
const AGAIN_MS = 60_000;

export interface RecounterOptions {
  readonly counter: TokenCounter;
  /** The folder that contains the tokenizers. */
  readonly home: string;
  readonly every: number;
  readonly waitMs: number;
  readonly log: Logger;
  readonly metrics: Registry;
  readonly clock: () => number;
}

/**
 * Recounts a random sample of the answers that the ingress can read. A machine cannot predict which
 * ones are chosen.
 */
export class Recounter {
  readonly #options: RecounterOptions;
  readonly #memory = new MemoryBudget(TEXT_BYTES);
  readonly #outcomes: CounterOf<'dinf_recounts_total'>;
  /**
   * Times after which failed tokenizers are tried again, by their digest. The catalog bounds their
   * number.
   */
  readonly #failed = new Map<string, number>();

  constructor(options: RecounterOptions) {
    this.#options = options;
    this.#outcomes = counter(options.metrics, 'dinf_recounts_total');
  }

  /** A transcript for a new attempt; undefined if its answer will not be recounted. */
  transcriptFor(
    { tokenizer }: CatalogModel,
    terms: RecountTerms | undefined,
  ): Transcript | undefined {
    if (this.#options.every === 0 || tokenizer === undefined || terms === undefined)
      return undefined;
    return new Transcript({ tokenizer, terms, memory: this.#memory });
  }

  /**
   * Recounts an answer. Undefined if it is not in the sample; otherwise the share of the billed
   * tokens that its text contains, which is below 1 if it is overbilled.
   */
  recount(transcript: Transcript): Promise<number> | undefined {
    const { tokens, text } = transcript;
    const isChosen =
      tokens > 0 &&
      (isDense(transcript, Buffer.byteLength(text)) || randomInt(this.#options.every) === 0);
    return isChosen && this.#mayTry(transcript.tokenizer) ? this.#recount(transcript) : undefined;
  }

  #mayTry(tokenizer: string): boolean {
    return (this.#failed.get(tokenizer) ?? 0) <= this.#options.clock();
  }

  async #recount({ tokenizer, terms, text, tokens, billed, calls }: Transcript): Promise<number> {
    const { counter, home, waitMs, log, clock } = this.#options;
    const counted = await counter.count(
      { path: tokenizerPath(home, tokenizer), digest: tokenizer, text },
      waitMs,
    );
    if (!counted.ok) {
      this.#outcomes.inc({ outcome: counted.code });
      if (counted.code === 'late' || counted.code === 'busy') return 1;
      this.#failed.set(tokenizer, clock() + AGAIN_MS);
      log.warn(
        { tokenizer, code: counted.code, why: counted.why },
        'the tokenizer of a model failed; answers of the model are not recounted for one minute',
      );
      return 1;
    }
    const isOver = isOverbilled({ tokens, calls }, counted.tokens, terms);
    this.#outcomes.inc({ outcome: isOver ? 'overbilled' : 'agreed' });
    return isOver ? Math.max(1, counted.tokens) / billed : 1;
  }
}
