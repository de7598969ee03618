/**
 * Proposes the next tokens of one answer. The model computes them all in one step and keeps those that
 * it would have chosen itself, so a wrong proposal costs time and never changes the answer.
 */
export interface DraftSource {
  /** True if drafts cost so little that they are also made only to see whether they are right. */
  readonly isCheap: boolean;
  /** Returns at most `most` tokens that may follow `tokens`, which only grows between two calls. */
  draft(tokens: readonly number[], most: number): readonly number[] | Promise<readonly number[]>;
  /** Called once when the answer has ended. */
  close?(): void;
}
