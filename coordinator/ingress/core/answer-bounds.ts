/**
 * How large an honest answer can be, in bytes of opened frames. Without these bounds one provider
 * could fill the memory of the whole coordinator
 * with a single answer: every field counts, not only the text.
 */
export interface AnswerBounds {
  /** In a single frame, for each of its tokens. */
  readonly mostPerToken: number;
  /** Over the whole answer. */
  readonly averagePerToken: number;
}

/** The names of fields, the end with its hashes, a tool call's name. */
const FRAME_ALLOWANCE = 4_096;
const ANSWER_ALLOWANCE = 65_536;
/** The longest tokens of real vocabularies are runs of spaces and rules of some hundred bytes. */
const TEXT: AnswerBounds = { mostPerToken: 1_024, averagePerToken: 256 };
/** One token with its log probability, among those that the caller asked for. */
const LOG_PROBABILITY: AnswerBounds = { mostPerToken: 512, averagePerToken: 64 };

/**
 * `topLogprobs` is how many alternatives the caller asked for with each token; undefined without
 * log probabilities.
 */
export function boundsFor(topLogprobs: number | undefined): AnswerBounds {
  const entries = topLogprobs === undefined ? 0 : topLogprobs + 1;
  return {
    mostPerToken: TEXT.mostPerToken + entries * LOG_PROBABILITY.mostPerToken,
    averagePerToken: TEXT.averagePerToken + entries * LOG_PROBABILITY.averagePerToken,
  };
}

/** For frames that stay sealed here: only their length is known, and none of them is collected. */
export const SEALED_BOUNDS: AnswerBounds = {
  mostPerToken: TEXT.mostPerToken,
  averagePerToken: TEXT.mostPerToken,
};

/** Adds up one answer. */
export class AnswerSize {
  readonly #bounds: AnswerBounds;
  #bytes = 0;
  #tokens = 0;

  constructor(bounds: AnswerBounds) {
    this.#bounds = bounds;
  }

  /** False for a frame that no honest provider sends. */
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
