import type { Decoder, Step } from '../decoders/decoder.ts';
import { stepOf } from '../decoders/step.ts';
import type { DraftedAnswers } from './drafted-answers.ts';
import type { ScheduledSequence } from './scheduled-sequence.ts';
import type { Part } from './step-parts.ts';

/** The step of these sequences that the decoder has begun, after the result of the one before it. */
export interface BegunStep {
  readonly sequences: readonly ScheduledSequence[];
  /** The time of that result. */
  readonly at: number;
}

/** The steps that a decoder begins before they are asked for, if it works ahead. */
export class StepsAhead {
  readonly #decoder: Decoder;
  readonly #answers: DraftedAnswers;
  #begun: BegunStep | undefined;

  constructor(decoder: Decoder, answers: DraftedAnswers) {
    this.#decoder = decoder;
    this.#answers = answers;
  }

  /**
   * The step after that of these parts if each one's most likely token is chosen and no answer ends. Its tokens
   * are not known yet. Undefined if another one is more likely, or if others of the active sequences wait to
   * join: they would wait until one of these answers ends.
   */
  expectedAfter(parts: readonly Part[], active: readonly ScheduledSequence[]): Step | undefined {
    const isLikely =
      this.#decoder.worksAhead === true &&
      parts.length === active.length &&
      parts.every(isContinued) &&
      this.#answers.expectsNone(active);
    if (!isLikely) return undefined;
    return stepOf(
      parts.map(({ sequence, pages, images }) => ({
        tokens: [0],
        images,
        outputTokens: 'last',
        from: sequence.worked + 1,
        pages: pages.pages,
      })),
      false,
    );
  }

  /** The step that was expected after that of these parts has begun. */
  begun(parts: readonly Part[], at: number): void {
    this.#begun = { sequences: parts.map(({ sequence }) => sequence), at };
  }

  /** Returns the step that the decoder has begun, if it can be the next one, and forgets it. */
  take(active: readonly ScheduledSequence[]): BegunStep | undefined {
    const begun = this.#begun;
    this.#begun = undefined;
    return begun?.sequences.every((each) => active.includes(each)) ? begun : undefined;
  }
}

const isContinued = ({ sequence, isAnswer, tokens, outputs }: Part): boolean =>
  isAnswer &&
  tokens.length === 1 &&
  outputs === 1 &&
  sequence.remaining > 1 &&
  !sequence.task.wantsLogits;
