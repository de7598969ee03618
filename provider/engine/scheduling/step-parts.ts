import type { SequencePages } from './page-pool.ts';
import type { ScheduledSequence } from './scheduled-sequence.ts';

/** What one sequence takes part in a step with. */
export interface Part {
  readonly sequence: ScheduledSequence;
  readonly pages: SequencePages;
  /** With the drafted ones at the end. */
  readonly tokens: readonly number[];
  readonly drafted: readonly number[];
  /** Number of tokens at the end whose next token is computed. */
  readonly outputs: number;
  readonly isAnswer: boolean;
  /** The state slot that is written to, if another one must keep the state before the drafts. */
  readonly spareState?: number | undefined;
}

/** A part after its step. */
export interface TakenPart {
  readonly part: Part;
  /** Number of drafted tokens that were chosen. */
  readonly accepted: number;
}

export const tokensOf = (parts: readonly Part[]): number =>
  parts.reduce((sum, { tokens }) => sum + tokens.length, 0);

/** Returns the sequence's next tokens, at most `most` of them, and none after its next mark. */
export function partOf(sequence: ScheduledSequence, most: number): Part {
  const { worked, marks } = sequence;
  const mark = marks.find((at) => at > worked) ?? Number.POSITIVE_INFINITY;
  const tokens = sequence.tokens.slice(worked, Math.min(worked + most, mark));
  const isWhole = sequence.worked + tokens.length === sequence.tokens.length;
  return {
    sequence,
    pages: sequence.pages as SequencePages,
    tokens,
    drafted: [],
    outputs: isWhole ? 1 : 0,
    isAnswer: sequence.isAnswering,
  };
}
