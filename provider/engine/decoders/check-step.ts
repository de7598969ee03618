import { CodedError } from '#bus-schemas/coded-error.ts';
import { AXES } from '../../models/rope.ts';
import {
  type Advance,
  type DecoderOptions,
  type DraftStep,
  KEPT_TOKENS,
  NO_STATE,
  PAGE_TOKENS,
  type Step,
  stateBytes,
  type UnitBytes,
  type Units,
} from './decoder.ts';

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
  /** Numbers of an image's token in a step. */
  readonly imageNumbers: number;
  readonly pages: number;
  readonly maxTokens: number;
  /** Number of state slots; 0 if the model has no states. */
  readonly states: number;
}

/** The limits of a loaded model. */
export const stepLimits = ({
  model,
  pages,
  states = 1,
  maxTokens,
}: DecoderOptions): StepLimits => ({
  vocabulary: model.shape.vocabulary,
  imageNumbers: model.shape.hidden * (1 + model.shape.imageLayers),
  pages,
  maxTokens,
  states: stateBytes(model) > 0 ? states : 0,
});

/**
 * Throws InvalidStep. Every decoder checks its steps, because shaders and typed arrays do not
 * report an index that is out of range: a shader clamps it, and one sequence would read another
 * one's keys and values. `native/decoder/checks.h` has the same rules for the decoders in C++.
 */
export function checkStep(step: Step, limits: StepLimits): void {
  checkTokens(step, limits);
  // The rope table grows up to the highest coordinate: one that is out of range would use up all memory.
  check(
    step.coordinates.every((value) => isIndex(value, step.tableWidth * PAGE_TOKENS)),
    'a coordinate is after the last position',
  );
  if (limits.states > 0) checkStates(step, limits.states);
}

/** Throws InvalidStep. `expected` is a step that probably follows `step`. */
export function checkExpected(expected: Step, step: Step, limits: StepLimits): void {
  checkStep(expected, limits);
  const { tokens, outputs, wantsLogits, imageTokens } = expected;
  check(
    tokens.length === step.outputs.length && tokens.length === outputs.length,
    'the expected step has not one token, with an output, for each output of the step before it',
  );
  check(!wantsLogits && imageTokens.length === 0, 'an expected step has no logits and no images');
}

/** Throws InvalidStep. `kept` is the number of states that the decoder kept of the pass before. */
export function checkDraft(step: DraftStep, limits: StepLimits, kept: number): void {
  checkTokens(step, limits);
  check(
    step.coordinates.every((value) => isIndex(value, limits.pages * PAGE_TOKENS)),
    'a coordinate is after the last position',
  );
  check(
    step.before.length === step.tokens.length && step.before.every((index) => isIndex(index, kept)),
    'a state was not kept',
  );
  check(
    step.imageTokens.length === 0 && step.outputs.length > 0,
    'a draft has no images, and outputs',
  );
}

function checkTokens(step: Step, limits: StepLimits): void {
  const { vocabulary, imageNumbers, pages, maxTokens } = limits;
  const { tokens, positions, places, rows, tables, tableWidth, outputs, ends } = step;
  const { coordinates, imageTokens, imageEmbeddings } = step;
  const count = tokens.length;
  check(count <= maxTokens, 'the step has too many tokens');
  check(count > 0, 'the step has no tokens');
  check(
    [positions, places, rows, ends].every(({ length }) => length === count) &&
      coordinates.length === AXES * count,
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
    ends.every((end, i) => end > (positions[i] as number) && end <= tableWidth * PAGE_TOKENS),
    'a token attends to positions outside of its sequence’s pages',
  );
  const rise = (list: Int32Array) =>
    list.every((token, i) => isIndex(token, count) && (i === 0 || token > (list[i - 1] as number)));
  check(rise(outputs), 'outputs must be tokens of the step, in rising order');
  check(rise(imageTokens), 'tokens of images must be tokens of the step, in rising order');
  check(
    imageEmbeddings.length === imageTokens.length * imageNumbers,
    'the embeddings of images have not the size of their tokens',
  );
}

/**
 * A state follows from the tokens of its sequence in their order, and belongs to one sequence:
 * another one that wrote to it would change its answer.
 */
function checkStates({ rows, positions, tables, tableWidth, states }: Step, slots: number): void {
  const rowCount = tables.length / tableWidth;
  check(states.length === 2 * rowCount, 'the step has not two state slots for each row');
  const written = new Set<number>();
  const last = new Int32Array(rowCount).fill(-1);
  for (const [token, row] of rows.entries()) {
    const before = last[row] as number;
    last[row] = token;
    if (before >= 0) {
      check(
        before === token - 1 && positions[token] === (positions[before] as number) + 1,
        'the tokens of a row do not follow one another',
      );
      continue;
    }
    const [read, write] = [states[2 * row] as number, states[2 * row + 1] as number];
    check(
      isIndex(write, slots) && (read === NO_STATE || isIndex(read, slots)),
      'a state is not a slot',
    );
    check(!written.has(write), 'two rows write to the same state');
    written.add(write);
  }
  for (let row = 0; row < rowCount; row += 1) {
    const [read, write] = [states[2 * row] as number, states[2 * row + 1] as number];
    check(
      (last[row] as number) < 0 || read === write || !written.has(read),
      'a row reads a state that another row writes',
    );
  }
}

/** Throws InvalidStep. `stepped` is the number of tokens of the last step. */
export function checkAdvance(
  { slots, firsts, counts }: Advance,
  { states, maxTokens }: StepLimits,
  stepped: number,
): void {
  check(
    firsts.length === slots.length && counts.length === slots.length,
    'the lists of the states differ in length',
  );
  check(
    slots.every((slot, i) => isIndex(slot, states) && slots.indexOf(slot) === i),
    'a state is not a slot, or is advanced twice',
  );
  const kept = Math.min(stepped, keptTokens(maxTokens));
  let end = 0;
  for (const [i, first] of firsts.entries()) {
    const count = counts[i] as number;
    check(
      first >= end && count > 0 && first + count <= kept,
      'the tokens by which a state is advanced were not kept',
    );
    end = first + count;
  }
}

/** Number of a step's first tokens that a decoder keeps for states. */
export const keptTokens = (maxTokens: number): number => Math.min(maxTokens, KEPT_TOKENS);

/** Throws InvalidStep if a unit is not in the cache, or if the bytes do not have their size. */
export function checkUnits(
  { pages, states }: Units,
  limits: StepLimits & { readonly unitBytes: UnitBytes },
  bytes?: Uint8Array,
): void {
  check(
    pages.every((page) => isIndex(page, limits.pages)),
    'a page is not in the cache',
  );
  check(
    states.every((slot) => isIndex(slot, limits.states)),
    'a state is not a slot',
  );
  const { page, state } = limits.unitBytes;
  check(
    bytes === undefined || bytes.length === pages.length * page + states.length * state,
    'the bytes have not the size of the pages and states',
  );
}

const isIndex = (value: number, below: number): boolean =>
  Number.isInteger(value) && value >= 0 && value < below;

function check(holds: boolean, wrong: string): void {
  if (!holds) throw new InvalidStep(wrong);
}
