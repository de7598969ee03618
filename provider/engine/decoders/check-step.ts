import { CodedError } from '#bus-schemas/coded-error.ts';
import { PAGE_TOKENS, type Step } from './decoder.ts';

/**
 * The step would read or write outside of the decoder's memory. It was rejected before it began.
 */
export class InvalidStep extends CodedError<'invalid_step'> {
  constructor(message: string, options?: ErrorOptions) {
    super('invalid_step', message, options);
  }
}

export interface StepLimits {
  readonly vocabulary: number;
  readonly pages: number;
  readonly maxTokens: number;
}

/**
 * Throws InvalidStep. Every decoder checks its steps, because shaders and typed arrays do not
 * report an index that is out of range: a shader clamps it, and one sequence would read another
 * one's keys and values. `native/decoder/checks.h` has the same rules for the decoders in C++.
 */
export function checkStep(step: Step, { vocabulary, pages, maxTokens }: StepLimits): void {
  const { tokens, positions, places, rows, tables, tableWidth, outputs } = step;
  const count = tokens.length;
  check(count <= maxTokens, 'the step has too many tokens');
  check(count > 0, 'the step has no tokens');
  check(
    [positions, places, rows].every(({ length }) => length === count),
    'the lists of the step differ in length',
  );
  check(
    isIndex(tableWidth, pages + 1) && tableWidth > 0 && tables.length % tableWidth === 0,
    'the length of the tables is not a multiple of their width',
  );
  const all = (list: Int32Array, below: number) => list.every((value) => isIndex(value, below));
  check(all(tokens, vocabulary), 'a token is not in the vocabulary');
  check(all(places, pages * PAGE_TOKENS), 'a place is outside of the cache');
  check(all(tables, pages), 'a page is not in the cache');
  check(all(rows, tables.length / tableWidth), 'a row is not in the tables');
  check(all(positions, tableWidth * PAGE_TOKENS), 'a position is outside of its sequence’s pages');
  check(
    outputs.every(
      (token, i) => isIndex(token, count) && (i === 0 || token > (outputs[i - 1] as number)),
    ),
    'outputs must be tokens of the step, in rising order',
  );
}

const isIndex = (value: number, below: number): boolean =>
  Number.isInteger(value) && value >= 0 && value < below;

function check(holds: boolean, wrong: string): void {
  if (!holds) throw new InvalidStep(wrong);
}
