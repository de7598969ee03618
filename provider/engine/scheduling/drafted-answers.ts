import { KEPT_TOKENS, PAGE_TOKENS } from '../decoders/decoder.ts';
import type { AnswerDrafts } from '../speculation/answer-drafts.ts';
import type { Drafter } from '../speculation/draft-source.ts';
import { Speculation } from '../speculation/speculation.ts';
import type { ScheduledSequence } from './scheduled-sequence.ts';
import type { SequenceStates } from './sequence-states.ts';
import { type Part, partOf, type TakenPart, tokensOf } from './step-parts.ts';

interface DraftedAnswersOptions {
  /** By default, no tokens are drafted. */
  readonly drafter: Drafter | undefined;
  readonly states: SequenceStates;
  /** Maximum number of tokens in one step. */
  readonly maxTokens: number;
  /** Time that a further token adds to a step until it is measured, in milliseconds. */
  readonly perTokenMs: number;
}

/** The next tokens of running answers, with drafts of the tokens after them. */
export class DraftedAnswers {
  readonly #options: DraftedAnswersOptions;
  readonly #speculation: Speculation;
  #hadDrafts = false;

  constructor(options: DraftedAnswersOptions) {
    this.#options = options;
    this.#speculation = new Speculation(options.perTokenMs);
  }

  /** True if these answers probably have no drafts in their next step either. */
  expectsNone(answering: readonly ScheduledSequence[]): boolean {
    return !this.#hadDrafts && answering.every(({ drafts }) => drafts?.areCheap !== false);
  }

  /** If the step of the answers was begun, drafts are made only to see whether later steps may have some. */
  async parts(answering: readonly ScheduledSequence[], isBegun = false): Promise<Part[]> {
    const { drafter, maxTokens, states } = this.#options;
    const share = Math.floor(maxTokens / Math.max(1, answering.length));
    const parts = answering.map((sequence) => partOf(sequence, share));
    if (drafter === undefined) return parts;
    // States can be advanced by the first tokens of a step only, where the answers are.
    const most = states.areUsed ? Math.min(maxTokens, KEPT_TOKENS) : maxTokens;
    const room = most - tokensOf(parts);
    const drafted = await this.#speculation.draft(
      answering.map((sequence, i) => {
        const { outputs, pages } = parts[i] as Part;
        const all = pages.pages;
        const own = all.subarray(sequence.cachedTokens / PAGE_TOKENS);
        sequence.drafts ??= this.#speculation.begin(drafter.begin(sequence.task, own, all));
        const mayDraft = room > 0 && outputs === 1 && sequence.continued === undefined;
        return {
          drafts: sequence.drafts,
          tokens: sequence.tokens,
          kept: sequence.kept,
          most: mayDraft ? Math.max(0, sequence.remaining - 1) : 0,
        };
      }),
      room,
    );
    this.#hadDrafts = drafted.some(({ length }) => length > 0);
    return isBegun ? parts : parts.map((part, i) => this.#withDrafts(part, drafted[i] ?? []));
  }

  #withDrafts(part: Part, drafted: readonly number[]): Part {
    if (drafted.length === 0) return part;
    const spareState = this.#options.states.takeSpare();
    if (spareState === false) return part;
    return {
      ...part,
      tokens: [...part.tokens, ...drafted],
      drafted,
      outputs: 1 + drafted.length,
      spareState,
    };
  }

  /** `tookMs` is undefined if the step also read prompts. */
  took(answers: readonly TakenPart[], tookMs: number | undefined): void {
    if (this.#options.drafter === undefined || answers.length === 0) return;
    this.#speculation.took(
      answers.map(({ part: { sequence, tokens }, accepted }) => ({
        drafts: sequence.drafts as AnswerDrafts,
        accepted,
        tokens: tokens.length,
      })),
      tookMs,
    );
  }

  end({ drafts }: ScheduledSequence): void {
    if (drafts !== undefined) this.#speculation.end(drafts);
  }
}
