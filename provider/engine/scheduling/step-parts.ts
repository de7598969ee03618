import type { Step } from '../decoders/decoder.ts';
import { type PlacedImage, stepOf } from '../decoders/step.ts';
import type { SequencePages } from './page-pool.ts';
import type { ScheduledSequence } from './scheduled-sequence.ts';
import { stateOf } from './sequence-states.ts';
import type { TaskEnd } from './task.ts';

/** What one sequence takes part in a step with. */
export interface Part {
  readonly sequence: ScheduledSequence;
  readonly pages: SequencePages;
  /** With the drafted ones at the end. */
  readonly tokens: readonly number[];
  readonly images: readonly PlacedImage[];
  readonly drafted: readonly number[];
  /** Number of tokens at the end whose next token is computed. */
  readonly outputs: number;
  readonly isAnswer: boolean;
  /** The state slot that is written to, if another one must keep the state before the step. */
  readonly spareState?: number | undefined;
}

/** A part after its step. */
export interface TakenPart {
  readonly part: Part;
  /** Number of drafted tokens that were chosen. */
  readonly accepted: number;
  /** Set if the sequence ends with this step. */
  readonly end: SequenceEnd | undefined;
}

/** Why a sequence ends. */
export interface SequenceEnd {
  readonly why: TaskEnd;
  readonly cause?: unknown;
}

export const tokensOf = (parts: readonly Part[]): number =>
  parts.reduce((sum, { tokens }) => sum + tokens.length, 0);

/**
 * Returns the sequence's next tokens: at most `most` of them, and none after its next mark. All tokens
 * of an image whose tokens attend to one another are in one part, which may therefore have up to `room`
 * tokens; without room for them, it has none of them.
 */
export function partOf(sequence: ScheduledSequence, most: number, room = most): Part {
  const { worked, marks, task } = sequence;
  const mark = marks.find((at) => at > worked) ?? Number.POSITIVE_INFINITY;
  const end = endOutsideImages(Math.min(worked + most, mark), worked + room, sequence);
  const tokens = sequence.tokens.slice(worked, end);
  const isWhole = sequence.worked + tokens.length === sequence.tokens.length;
  return {
    sequence,
    pages: sequence.pages as SequencePages,
    tokens,
    images: task.images ?? [],
    drafted: [],
    outputs: isWhole ? 1 : 0,
    isAnswer: sequence.isAnswering,
  };
}

/** The step of these parts. */
export const stepOfParts = (parts: readonly Part[]): Step =>
  stepOf(
    parts.map(({ sequence, pages, tokens, images, outputs, spareState }) => ({
      tokens,
      images,
      outputTokens: outputs,
      from: sequence.worked,
      pages: pages.pages,
      ...stateOf(sequence, spareState),
    })),
    parts.some(({ sequence, outputs }) => outputs > 0 && sequence.task.wantsLogits),
  );

function endOutsideImages(
  end: number,
  most: number,
  { worked, task: { images = [] } }: ScheduledSequence,
): number {
  const cut = images.find(({ at, tokens, isWhole }) => isWhole && at < end && end < at + tokens);
  if (cut === undefined) return end;
  const after = cut.at + cut.tokens;
  if (cut.at <= worked) return after <= most ? after : worked;
  return cut.at;
}
