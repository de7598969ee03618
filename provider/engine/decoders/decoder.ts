import type { DecoderModel } from '../../models/model.ts';
import type { BackendName } from '../backend-names.ts';

/** Tokens whose keys and values share a page of the cache. */
export const PAGE_TOKENS = 32;

/**
 * One pass through the model for any number of sequences at once, each with as many new tokens as it likes. All lists but
 * `tables` and `outputs` have one entry for each token.
 */
export interface Step {
  readonly tokens: Int32Array<ArrayBuffer>;
  readonly positions: Int32Array<ArrayBuffer>;
  /** Where its keys and values are kept: page × PAGE_TOKENS + place in the page. */
  readonly places: Int32Array<ArrayBuffer>;
  /** The sequence that it belongs to, as a row of `tables`. */
  readonly rows: Int32Array<ArrayBuffer>;
  /** For each sequence its pages in order, padded to `tableWidth`. */
  readonly tables: Int32Array<ArrayBuffer>;
  readonly tableWidth: number;
  /** Tokens, by their place in `tokens`, of which the next one is asked. */
  readonly outputs: Int32Array<ArrayBuffer>;
  /** Without them only the likeliest token comes back. */
  readonly wantsLogits: boolean;
}

export interface StepResult {
  /** For each output the likeliest next token; the first of equals. */
  readonly best: Int32Array;
  /** For each output the whole vocabulary. Valid until the next step. */
  readonly logits?: Float32Array;
}

/** A model in memory with its cache of keys and values, which takes memory as pages are used. What the pages mean is the caller's business; one step at a time. */
export interface Decoder extends AsyncDisposable {
  /** Everything but the cache, in bytes. */
  readonly memoryBytes: number;
  /** Bytes of the cache that hold memory now: those of the pages up to the highest one that was used, or a block more. */
  readonly cacheBytes: number;
  step(step: Step): Promise<StepResult>;
  /** Gives back the memory of all pages from this one on, between two steps. What they held is lost. */
  keep(pages: number): Promise<void>;
}

export interface DecoderOptions {
  readonly model: DecoderModel;
  readonly pages: number;
  /** The most tokens of one step. */
  readonly maxTokens: number;
}

/** What can run decoders on this machine. */
export interface Backend extends AsyncDisposable {
  readonly name: BackendName;
  /** The device in words. */
  readonly device: string;
  /** What is made for a GPU, and computes on the processor here. */
  readonly isSoftware: boolean;
  /** What one layer's keys may take at most. */
  readonly maxBufferBytes: number;
  /** Bytes of one number of a cache of this model's keys and values. */
  cacheNumberBytes(model: DecoderModel): number;
  load(options: DecoderOptions): Promise<Decoder>;
}

/** What runs decoders here, or why it does not. */
export type BackendOrReason = { readonly backend: Backend } | { readonly reason: string };

/** Bytes that keys and values of one token take in a backend's cache. */
export function kvBytesPerToken(model: DecoderModel, backend: Pick<Backend, 'cacheNumberBytes'>): number {
  const { layers, kvHeads, headDim } = model.shape;
  return layers.length * 2 * kvHeads * headDim * backend.cacheNumberBytes(model);
}

/** A cache of 32-bit numbers. */
export const wholeNumbers = (): number => Float32Array.BYTES_PER_ELEMENT;
