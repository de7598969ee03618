import type { Task } from '../scheduling/task.ts';

/** The states of an answer's last tokens that the decoder kept of its last step. */
export interface KeptStates {
  /** The place in the text of the first of these tokens. */
  readonly from: number;
  /** The index of that token in the step. */
  readonly index: number;
}

/**
 * Proposes the next tokens of one answer. The model computes them all in one step and keeps those that
 * it would have chosen itself, so a wrong proposal costs time and never changes the answer.
 */
export interface DraftSource {
  /** True if drafts cost so little that they are also made only to see whether they are right. */
  readonly isCheap: boolean;
  /**
   * Expected time of a draft of `count` tokens, in milliseconds; infinite if none can be made now.
   * `kept` is undefined if the answer took no part in the last step.
   */
  expectedMs(tokens: readonly number[], count: number, kept?: KeptStates): number;
  /** Returns at most `most` tokens that may follow `tokens`. */
  draft(
    tokens: readonly number[],
    most: number,
    kept?: KeptStates,
  ): readonly number[] | Promise<readonly number[]>;
}

/** Makes the sources of drafts of each answer. */
export interface Drafter {
  /**
   * `pages` are those that only this answer writes to, and `all` has those of its prompt that others read
   * too. Of the sources, earlier ones are preferred.
   */
  begin(task: Task, pages: Int32Array, all: Int32Array): readonly DraftSource[];
  /** Frees memory beyond the first `pages` pages, as a decoder does. */
  keep(pages: number): Promise<void>;
}
