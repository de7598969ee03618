import { type DeltaShape, deltaChannels, type LayerShape } from '../../models/decoder-shape.ts';
import type { DecoderModel } from '../../models/model.ts';
import type { BackendName } from '../backend-names.ts';

/** Number of tokens whose keys and values share one page of the cache. */
export const PAGE_TOKENS = 32;

/**
 * Number of the first tokens of a step by which states can be advanced afterwards. A decoder keeps what
 * its layers with states computed from them, in a few kilobytes for each token and layer.
 */
export const KEPT_TOKENS = 64;

/** In place of a state slot: the state of a sequence before its first token. */
export const NO_STATE = -1;

/**
 * The input of one pass through the model. A step may serve several sequences, each with one or
 * more new tokens. Lists without another description have one entry for each token.
 */
export interface Step {
  readonly tokens: Int32Array<ArrayBuffer>;
  readonly positions: Int32Array<ArrayBuffer>;
  /**
   * Three coordinates of each token, by which it rotates: its time, row and column. All are its position,
   * except in and after images with a grid (`step.ts`).
   */
  readonly coordinates: Int32Array<ArrayBuffer>;
  /** The cache slot of each token's key and value: page × PAGE_TOKENS + index within the page. */
  readonly places: Int32Array<ArrayBuffer>;
  /** The row of `tables` that belongs to the token's sequence. */
  readonly rows: Int32Array<ArrayBuffer>;
  /** The pages of each sequence in order, padded to `tableWidth` entries. */
  readonly tables: Int32Array<ArrayBuffer>;
  readonly tableWidth: number;
  /**
   * Two state slots for each row of `tables`, for models that have states: the one that the row's
   * state is read from, or NO_STATE for the empty state, and the one that it is written to.
   */
  readonly states: Int32Array<ArrayBuffer>;
  /** Indices into `tokens`, in rising order, of the tokens whose next token is computed. */
  readonly outputs: Int32Array<ArrayBuffer>;
  /** If false, only the most likely token is returned for each output. */
  readonly wantsLogits: boolean;
  /**
   * For each token, the position after the last one that it attends to: the next position, or that
   * after its image or its text, whose tokens attend to one another. These tokens are in the same
   * step.
   */
  readonly ends: Int32Array<ArrayBuffer>;
  /** Indices into `tokens`, in rising order, of the tokens of images. */
  readonly imageTokens: Int32Array<ArrayBuffer>;
  /**
   * Their numbers, one token after the other: its embedding, which is not scaled, and then what is added
   * to its state after each of the shape's first `imageLayers` layers.
   */
  readonly imageEmbeddings: Float32Array<ArrayBuffer>;
}

export interface StepResult {
  /** The most likely next token of each output; of equally likely ones, the lowest. */
  readonly best: Int32Array;
  /**
   * The logits of the whole vocabulary for each output, or its normalised hidden state if the shape
   * of the model says so. They are valid until the next step.
   */
  readonly logits?: Float32Array;
  /** True if the decoder had begun the step before it was asked for. */
  readonly wasAhead?: boolean;
}

/**
 * The input of one pass through the draft head. A token's input is joined from its embedding and the
 * normalised hidden state of the token before it, which the decoder kept; so no state leaves it.
 *
 * A sequence has a second row of places, in the head's own cache. `positions` and `places` count the
 * tokens that the head has read, and `coordinates` are those of the tokens before, by which it rotates.
 * The head has no states, reads no images and returns no logits.
 *
 * An assistant in place of the head reads the keys and values of the model, whose pages are in the tables,
 * and writes none: the places have no meaning. Its state after a token has the size of the model's.
 */
export interface DraftStep extends Step {
  /** For each token, the index of the token before it in the pass whose states are read. */
  readonly before: Int32Array<ArrayBuffer>;
  /** True if that pass is the last draft; otherwise it is the last step. */
  readonly isChained: boolean;
}

/**
 * States that are moved on by tokens of the last step, which stand among its first KEPT_TOKENS. Each list
 * has one entry for each state.
 */
export interface Advance {
  /** The slots, each of which has the state before its first token. No slot is named twice. */
  readonly slots: Int32Array<ArrayBuffer>;
  /** The indices of the first tokens in the step, in rising order. */
  readonly firsts: Int32Array<ArrayBuffer>;
  /** The numbers of tokens. No token belongs to two states. */
  readonly counts: Int32Array<ArrayBuffer>;
}

/**
 * A model in memory with its cache of keys and values. The cache takes memory as pages are used.
 * The caller assigns pages to sequences, and runs one step at a time.
 */
export interface Decoder extends AsyncDisposable {
  /** Memory of everything except the cache, in bytes. */
  readonly memoryBytes: number;
  /**
   * Memory of the cache at present, in bytes: the pages and the state slots up to the highest used
   * one, rounded up to the block in which the backend allocates.
   */
  readonly cacheBytes: number;
  /** True if it makes use of expected steps. */
  readonly worksAhead?: boolean;
  /**
   * `expected` is the step that probably follows. It has one token for each output of this step, which is
   * the most likely one whatever the list of tokens says. A decoder may begin it after this step and write its
   * keys, so its places must belong to the same sequences until the next call. If another call follows, the
   * decoder forgets it, and later steps replace its keys.
   */
  step(step: Step, expected?: Step): Promise<StepResult>;
  /**
   * Runs the draft head or the assistant, one of which the model must have, and returns the most likely
   * token after each output. Call it between steps.
   */
  draft(step: DraftStep): Promise<Int32Array>;
  /**
   * Moves states on without computing the step again, for a model that has states: the first tokens of a
   * row are right, and the others, which changed the state in its other slot, are not. Call it after
   * the step, before the next one.
   */
  advance(advance: Advance): Promise<void>;
  /**
   * Keeps the first `pages` pages and `states` state slots and frees the others, whose content is
   * lost. Call it between steps.
   */
  keep(pages: number, states: number): Promise<void>;
  /** Copies units, one after the other. Call it between steps. */
  save(units: Units): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Replaces the contents of units by bytes that `save` of a decoder with the same model on the same
   * device made. Call it between steps.
   */
  restore(units: Units, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
}

/** Pages and state slots that are copied out of a cache or into it: the pages first. */
export interface Units {
  readonly pages: Int32Array<ArrayBuffer>;
  readonly states: Int32Array<ArrayBuffer>;
}

export interface DecoderOptions {
  readonly model: DecoderModel;
  readonly pages: number;
  /** Number of state slots, for a model that has states; default 1. */
  readonly states?: number;
  /** Maximum number of tokens in one step. */
  readonly maxTokens: number;
  /** Called after each part of a load that can take long, such as the compilation of a kernel. */
  readonly progressed?: () => void;
}

/** Loads and runs decoders on one device of this machine. */
export interface Backend extends AsyncDisposable {
  readonly name: BackendName;
  /** Description of the device, for people. */
  readonly device: string;
  /** True for a GPU backend that computes on the processor on this machine. */
  readonly isSoftware: boolean;
  /** Maximum size of one layer's keys, or of its states, in the cache, in bytes. */
  readonly maxBufferBytes: number;
  /** Size in bytes of one number in the cache of this model's keys and values. */
  cacheNumberBytes(model: DecoderModel): number;
  load(options: DecoderOptions): Promise<Decoder>;
}

/** A backend, or the reason why it does not run on this machine. */
export type BackendOrReason = { readonly backend: Backend } | { readonly reason: string };

/** Size in bytes of one token's keys and values in a backend's cache, over all layers and the draft head. */
export function kvBytesPerToken(
  model: DecoderModel,
  backend: Pick<Backend, 'cacheNumberBytes'>,
): number {
  const { layers, head } = model.shape;
  return keyNumbers(head ? [...layers, head] : layers) * backend.cacheNumberBytes(model);
}

const keyNumbers = (layers: readonly LayerShape[]): number =>
  layers.reduce((sum, layer) => sum + (hasKeys(layer) ? 2 * layer.kvHeads * layer.headDim : 0), 0);

/** Sizes in bytes of one page and of one state, as `save` copies them: without the keys of a draft head. */
export interface UnitBytes {
  readonly page: number;
  readonly state: number;
}

export const unitBytesOf = (
  model: DecoderModel,
  backend: Pick<Backend, 'cacheNumberBytes'>,
): UnitBytes => ({
  page: PAGE_TOKENS * keyNumbers(model.shape.layers) * backend.cacheNumberBytes(model),
  state: stateBytes(model),
});

/** Size in bytes of one token's keys in the layer where they are largest. */
export function mostKeyBytes(
  model: DecoderModel,
  backend: Pick<Backend, 'cacheNumberBytes'>,
): number {
  const numbers = model.shape.layers.map((layer) =>
    hasKeys(layer) ? layer.kvHeads * layer.headDim : 0,
  );
  return Math.max(...numbers) * backend.cacheNumberBytes(model);
}

/** True for a layer that caches keys and values of its own. */
export const hasKeys = ({ delta, keysOf }: LayerShape): boolean =>
  delta === undefined && keysOf === undefined;

/** Size in bytes of a sequence's state, over all layers; 0 if the model has none. */
export const stateBytes = (model: DecoderModel): number =>
  layerStateBytes(model).reduce((sum, bytes) => sum + bytes, 0);

/** Size in bytes of a sequence's state in each layer that has one. */
export const layerStateBytes = ({ shape }: DecoderModel): number[] =>
  shape.layers.flatMap(({ delta }) =>
    delta ? Float32Array.BYTES_PER_ELEMENT * stateNumbers(delta) : [],
  );

/** Memory for what a decoder keeps of a step's first tokens to advance states, in bytes. */
export const keptBytes = ({ shape }: DecoderModel): number =>
  shape.layers.reduce(
    (sum, { delta }) =>
      sum + (delta ? Float32Array.BYTES_PER_ELEMENT * KEPT_TOKENS * keptNumbers(delta) : 0),
    0,
  );

/** Number of 32-bit numbers that a layer keeps of one token: what its projections made. */
const keptNumbers = (delta: DeltaShape): number => deltaChannels(delta) + 2 * delta.valueHeads;

/** Number of 32-bit numbers in the state of one layer. */
export const stateNumbers = (delta: DeltaShape): number =>
  delta.valueHeads * delta.keyDim * delta.valueDim + (delta.convolution - 1) * deltaChannels(delta);

/** `cacheNumberBytes` of a backend that caches 32-bit numbers. */
export const wholeNumbers = (): number => Float32Array.BYTES_PER_ELEMENT;
