import { AXES } from '../../models/rope.ts';
import { type DraftStep, NO_STATE, PAGE_TOKENS, type Step } from './decoder.ts';

/**
 * One sequence's share of a step: its next tokens. The first one is at position `from` of its text.
 */
export interface StepPart {
  readonly tokens: ArrayLike<number>;
  readonly from: number;
  /** All pages of the sequence, in order. */
  readonly pages: ArrayLike<number>;
  /** The state slots that the sequence's state is read from and written to, if the model has states. */
  readonly state?: StateSlots;
  /**
   * The position after the last one that each token attends to, for a model whose tokens attend to
   * later ones. Those tokens are in the same step. By default, it is the next position.
   */
  readonly end?: number;
  /** The images of the whole text; those outside of the step's tokens count for nothing. */
  readonly images?: readonly PlacedImage[];
  /** The tokens whose next token is computed; a number stands for that many of the last ones. */
  readonly outputTokens: 'every' | 'last' | 'none' | number;
}

/** An image in the text of a sequence. */
export interface PlacedImage {
  /** Position of its first token. */
  readonly at: number;
  /** Number of its tokens. */
  readonly tokens: number;
  /** Names the image, and no other one. */
  readonly digest: string;
  /** The numbers of its tokens, one token after the other, as a step has them. */
  readonly embeddings: Float32Array;
  /** True if its tokens attend to one another, so that all of them must be in one step. */
  readonly isWhole: boolean;
  /**
   * Set if its tokens have rows and columns for the model. They then stand at the same time, and what
   * follows begins after the longer side of the image.
   */
  readonly grid?: Grid;
}

/** Number of an image's tokens below and beside one another. */
export interface Grid {
  readonly rows: number;
  readonly columns: number;
}

interface StateSlots {
  /** NO_STATE for a sequence that begins. */
  readonly read: number;
  readonly write: number;
}

const highest = (list: Int32Array): number => list.reduce((a, b) => Math.max(a, b), 0);

/** Number of pages up to and including the highest one that a step names. */
export const pagesOf = ({ places, tables }: Step): number =>
  Math.max(Math.floor(highest(places) / PAGE_TOKENS), highest(tables)) + 1;

/** Number of state slots up to and including the highest one that a step writes to. */
export const statesOf = ({ states }: Step): number => highest(states.map((slot) => slot + 1));

export function stepOf(parts: readonly StepPart[], wantsLogits: boolean): Step {
  const total = parts.reduce((sum, { tokens }) => sum + tokens.length, 0);
  const tableWidth = Math.max(
    ...parts.map(({ tokens, from }) => Math.ceil((from + tokens.length) / PAGE_TOKENS)),
  );
  const list = () => new Int32Array(total);
  const step = {
    tokens: list(),
    positions: list(),
    coordinates: new Int32Array(AXES * total),
    places: list(),
    rows: list(),
    ends: list(),
    tables: new Int32Array(parts.length * tableWidth),
    states: Int32Array.from(
      parts.flatMap(({ state }) => [state?.read ?? NO_STATE, state?.write ?? NO_STATE]),
    ),
  };
  const outputs: number[] = [];
  const imageTokens: number[] = [];
  const embeddings: Float32Array[] = [];
  let at = 0;
  for (const [row, { tokens, from, pages, end, images = [], outputTokens }] of parts.entries()) {
    const firstOutput = tokens.length - outputCount(outputTokens, tokens.length);
    for (let i = 0; i < Math.min(tableWidth, pages.length); i += 1)
      step.tables[row * tableWidth + i] = pages[i] as number;
    for (let i = 0; i < tokens.length; i += 1, at += 1) {
      const position = from + i;
      step.tokens[at] = tokens[i] as number;
      step.positions[at] = position;
      step.places[at] =
        (pages[Math.floor(position / PAGE_TOKENS)] as number) * PAGE_TOKENS +
        (position % PAGE_TOKENS);
      step.rows[at] = row;
      const image = images.find((each) => each.at <= position && position < each.at + each.tokens);
      step.ends[at] = image?.isWhole ? image.at + image.tokens : (end ?? position + 1);
      step.coordinates.set(coordinatesOf(position, images), AXES * at);
      if (image !== undefined) {
        imageTokens.push(at);
        embeddings.push(embeddingAt(image, position));
      }
      if (i >= firstOutput) outputs.push(at);
    }
  }
  return {
    ...step,
    tableWidth,
    outputs: Int32Array.from(outputs),
    wantsLogits,
    imageTokens: Int32Array.from(imageTokens),
    imageEmbeddings: joinedNumbers(embeddings),
  };
}

/** One sequence's share of a draft: the next tokens that the head reads for it. */
export interface DraftPart {
  readonly tokens: ArrayLike<number>;
  /** Number of tokens in the head's cache. */
  readonly from: number;
  /** The position of the token before the first one in the text. */
  readonly at: number;
  /** The index of that token in the pass whose states are read. The tokens after it follow. */
  readonly before: number;
  readonly pages: ArrayLike<number>;
}

/** One output for each part: the token after its last one. */
export function draftStepOf(parts: readonly DraftPart[], isChained: boolean): DraftStep {
  const step = stepOf(
    parts.map(({ tokens, from, pages }) => ({ tokens, from, pages, outputTokens: 'last' })),
    false,
  );
  const indexes = parts.flatMap((part) => Array.from(part.tokens, (_, i) => ({ part, i })));
  return {
    ...step,
    coordinates: Int32Array.from(
      indexes.flatMap(({ part: { at }, i }) => Array<number>(AXES).fill(at + i)),
    ),
    before: Int32Array.from(indexes, ({ part, i }) => part.before + i),
    isChained,
  };
}

/** One sequence's share of a draft of an assistant. */
export interface AssistedPart {
  readonly token: number;
  /**
   * The position of the last token of the text whose keys are cached. A draft has it for all of its
   * tokens, because nothing is added to the cache.
   */
  readonly at: number;
  /** The index of the token before it in the pass whose states are read. */
  readonly before: number;
  /** All pages of the sequence. */
  readonly pages: ArrayLike<number>;
}

/** One output for each part. */
export function assistedStepOf(parts: readonly AssistedPart[], isChained: boolean): DraftStep {
  const step = stepOf(
    parts.map(({ token, at, pages }) => ({
      tokens: [token],
      from: at,
      pages,
      outputTokens: 'last',
    })),
    false,
  );
  return { ...step, before: Int32Array.from(parts, ({ before }) => before), isChained };
}

/** Time, row and column of a token, which are smaller than its position after images with a grid. */
function coordinatesOf(position: number, images: readonly PlacedImage[]): readonly number[] {
  let time = position;
  for (const { at, tokens, grid } of images) {
    if (grid === undefined || position < at) continue;
    if (position >= at + tokens) time -= tokens - Math.max(grid.rows, grid.columns);
    else {
      const within = position - at;
      time -= within;
      return [time, time + Math.floor(within / grid.columns), time + (within % grid.columns)];
    }
  }
  return [time, time, time];
}

function embeddingAt({ at, tokens, embeddings }: PlacedImage, position: number): Float32Array {
  const width = embeddings.length / tokens;
  return embeddings.subarray((position - at) * width, (position - at + 1) * width);
}

function joinedNumbers(lists: readonly Float32Array[]): Float32Array<ArrayBuffer> {
  const joined = new Float32Array(lists.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const list of lists) {
    joined.set(list, at);
    at += list.length;
  }
  return joined;
}

function outputCount(outputTokens: StepPart['outputTokens'], tokens: number): number {
  switch (outputTokens) {
    case 'every':
      return tokens;
    case 'last':
      return 1;
    case 'none':
      return 0;
    default:
      return outputTokens;
  }
}
