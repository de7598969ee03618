import { MAX_RESULT_CHARACTERS } from '#bus-schemas';

/**
 * Largest size of an honest answer, in bytes of opened frames. Every field counts, not only the
 * text. Without these bounds a hostile provider could fill the memory of the whole coordinator with
 * one answer.
 */
export interface AnswerBounds {
  /** Most bytes for each token within one frame. */
  readonly mostPerToken: number;
  /** Most bytes for each token, averaged over the whole answer. */
  readonly averagePerToken: number;
}

/**
 * Bytes of a frame that do not depend on its tokens: field names, a tool call's name, the end with
 * its hashes.
 */
const FRAME_ALLOWANCE = 4_096;
const ANSWER_ALLOWANCE = 65_536;
/** The longest tokens of real vocabularies are runs of spaces or dashes of some hundred bytes. */
const TEXT: AnswerBounds = { mostPerToken: 1_024, averagePerToken: 256 };
/** Bounds for one alternative token with its log probability. */
const LOG_PROBABILITY: AnswerBounds = { mostPerToken: 512, averagePerToken: 64 };

/**
 * `topLogprobs` is the number of alternatives that the caller asked for with each token; undefined
 * without log probabilities.
 */
export function boundsFor(topLogprobs: number | undefined): AnswerBounds {
  const entries = topLogprobs === undefined ? 0 : topLogprobs + 1;
  return {
    mostPerToken: TEXT.mostPerToken + entries * LOG_PROBABILITY.mostPerToken,
    averagePerToken: TEXT.averagePerToken + entries * LOG_PROBABILITY.averagePerToken,
  };
}

/**
 * Bounds in blind mode, where the ingress can see only the length of a sealed frame. No such answer
 * is collected in memory, so the average bound may be as high as the bound for a frame.
 */
export const SEALED_BOUNDS: AnswerBounds = {
  mostPerToken: TEXT.mostPerToken,
  averagePerToken: TEXT.mostPerToken,
};

/** Bounds for the results of an encoding: each is one token with one line of text. */
export const RESULT_BOUNDS: AnswerBounds = {
  mostPerToken: MAX_RESULT_CHARACTERS,
  averagePerToken: MAX_RESULT_CHARACTERS,
};

/** Adds up the frames of one answer and checks them against its bounds. */
export class AnswerSize {
  readonly #bounds: AnswerBounds;
  #bytes = 0;
  #tokens = 0;

  constructor(bounds: AnswerBounds) {
    this.#bounds = bounds;
  }

  /** False if the frame makes the answer larger than an honest provider's can be. */
  admits(frame: { readonly bytes: number; readonly tokens: number }): boolean {
    this.#bytes += frame.bytes;
    this.#tokens += frame.tokens;
    const { mostPerToken, averagePerToken } = this.#bounds;
    return (
      frame.bytes <= FRAME_ALLOWANCE + frame.tokens * mostPerToken &&
      this.#bytes <= ANSWER_ALLOWANCE + this.#tokens * averagePerToken
    );
  }
}
