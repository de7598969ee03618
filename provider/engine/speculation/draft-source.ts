import type { Task } from '../scheduling/task.ts';

/**
 * Proposes the next tokens of one answer. The model computes them all in one step and keeps those that
 * it would have chosen itself, so a wrong proposal costs time and never changes the answer.
 */
export interface DraftSource {
  /** True if drafts cost so little that they are also made only to see whether they are right. */
  readonly isCheap: boolean;
  /** Expected time of a draft of `count` tokens, in milliseconds. */
  expectedMs(tokens: readonly number[], count: number): number;
  /** Returns at most `most` tokens that may follow `tokens`. */
  draft(tokens: readonly number[], most: number): readonly number[] | Promise<readonly number[]>;
}

/** Makes the sources of drafts of each answer. */
export interface Drafter {
  /** The pages are those that only this answer writes to. Of the sources, earlier ones are preferred. */
  begin(task: Task, pages: Int32Array): readonly DraftSource[];
  /** Frees memory beyond the first `pages` pages, as a decoder does. */
  keep(pages: number): Promise<void>;
}
