import type { Reserve, Reserved } from '#bus-schemas';

/** A request for a slot, and the ways to answer it. */
export interface PendingRequest {
  readonly request: Reserve;
  readonly requestedAt: number;
  readonly answer: (reply: Reserved) => void;
  /** Called instead of `answer` if another router may take over. */
  readonly askAgain?: () => void;
}

/**
 * A job that is requested again while it waits keeps its turn, and both requests get the one
 * answer.
 */
export const answeringBoth = (
  one: PendingRequest,
  other: PendingRequest,
): Pick<PendingRequest, 'answer' | 'askAgain'> => ({
  answer: (reply) => {
    one.answer(reply);
    other.answer(reply);
  },
  askAgain: () => {
    one.askAgain?.();
    other.askAgain?.();
  },
});
