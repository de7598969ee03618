import { type Decoder, PAGE_TOKENS } from '#provider/engine/decoders/decoder.ts';
import { type StepPart, stepOf } from '#provider/engine/decoders/step.ts';

interface Run {
  readonly sequences: number;
  /** Number of the next tokens of each sequence, and the position of the first. */
  readonly count: number;
  readonly from: number;
}

export const pagesFor = (tokens: number): number => Math.ceil(tokens / PAGE_TOKENS);

/** Returns a function that runs the next tokens of several sequences, each with its own pages. */
export function stepper(
  decoder: Decoder,
  { vocabulary, pagesOfOne }: { vocabulary: number; pagesOfOne: number },
) {
  return ({ sequences, count, from }: Run) => {
    const part = (sequence: number): StepPart => ({
      from,
      tokens: Int32Array.from(
        { length: count },
        (_, i) => ((from + i) * 37 + sequence * 101 + 11) % vocabulary,
      ),
      pages: Int32Array.from({ length: pagesOfOne }, (_, page) => sequence * pagesOfOne + page),
      outputTokens: 'last',
    });
    return decoder.step(
      stepOf(
        Array.from({ length: sequences }, (_, sequence) => part(sequence)),
        false,
      ),
    );
  };
}
