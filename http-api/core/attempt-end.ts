import type { Finish, Receipt, RefusalAbout, Usage } from '#bus-schemas';
import type { AnswerCost } from './answer-cost.ts';

/** The end of an attempt, as its provider reports it. */
export interface AttemptEnd {
  readonly finish: Finish;
  readonly usage: Usage;
  readonly stopSequence?: string | undefined;
  /**
   * The part of the request that made the engine fail; undefined if the request was not the cause.
   */
  readonly about?: RefusalAbout | undefined;
  /** Added by the ingress; undefined where the cost is not known, such as in blind mode. */
  readonly cost?: AnswerCost | undefined;
  /** The provider's receipt, which has not been checked yet. */
  readonly receipt?: Receipt | undefined;
}
