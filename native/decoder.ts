import { loadAddon } from './loaded-addon.ts';

/** A decoder on its own thread, which runs calls one after the other. */
export interface NativeDecoder {
  /**
   * Resolves to the decoder's memory without its cache, in bytes. Errors have the code
   * `invalid_model`, `invalid_step`, `not_loaded` or `engine_failed`.
   */
  load(model: unknown): Promise<number>;
  /** `expected` is the step that probably follows. */
  step(
    step: unknown,
    expected?: unknown,
  ): Promise<{ best: Int32Array; logits?: Float32Array; cacheBytes: number; wasAhead: boolean }>;
  /** Moves states on by tokens of the last step. */
  advance(advance: unknown): Promise<void>;
  /** Runs the draft head. Resolves to the most likely token after each output. */
  draft(step: unknown): Promise<Int32Array>;
  /**
   * Keeps the first `pages` pages and `states` state slots and frees the others. Resolves to the
   * remaining size of the cache in bytes.
   */
  keep(pages: number, states: number): Promise<number>;
  /** Copies pages and state slots. */
  save(units: unknown): Promise<Uint8Array<ArrayBuffer>>;
  /** Replaces the contents of pages and state slots. Resolves to the size of the cache in bytes. */
  restore(units: unknown, bytes: Uint8Array): Promise<number>;
  close(): Promise<void>;
}

export interface NativeDecoders {
  readonly Decoder: new () => NativeDecoder;
}

/** `mismatch` is the reason why the installed library cannot be used, or empty. */
export const loadMlxDecoders = () =>
  loadAddon<NativeDecoders & { readonly device: string; readonly mismatch: string }>('mlx');

/** BERT on its own thread, which runs passes one after the other. */
export interface NativeEncoder {
  /**
   * Resolves to the vectors of all tokens. Rejects with the code `invalid_step` if a token or a
   * length is outside of the model.
   */
  pass(inputs: {
    readonly tokens: Int32Array;
    readonly kinds: Int32Array;
    readonly lengths: Int32Array;
  }): Promise<Float32Array>;
  close(): Promise<void>;
}

export const loadCpuEncoders = (addon: 'cpu' | 'cpu-sanitized') =>
  loadAddon<{
    /** Throws an error with the code `invalid_model` if shape and weights do not fit together. */
    readonly Encoder: new (
      model: object,
    ) => NativeEncoder;
    readonly kernels: string;
  }>(addon);

/** A vision tower on its own thread, which computes images one after the other. */
export interface NativeVisionTower {
  /**
   * Resolves to the numbers of an image's tokens, from the red, green and blue of its pixels. Rejects
   * with the code `invalid_step` if they are not those of its size, or if the size cannot be divided
   * into tokens.
   */
  embed(image: {
    readonly numbers: Uint8Array;
    readonly width: number;
    readonly height: number;
  }): Promise<Float32Array<ArrayBuffer>>;
  close(): Promise<void>;
}

export const loadCpuVisionTowers = (addon: 'cpu' | 'cpu-sanitized') =>
  loadAddon<{
    /** Throws an error with the code `invalid_model` if shape and weights do not fit together. */
    readonly VisionTower: new (
      model: object,
    ) => NativeVisionTower;
    readonly kernels: string;
  }>(addon);

/**
 * `kernels` names the instruction set whose loops are used. `hasFastBytes` is false if that set
 * multiplies inputs of 8 bits no faster than those of 16, so that `fine: false` has no effect.
 */
export const loadCpuDecoders = (addon: 'cpu' | 'cpu-sanitized') =>
  loadAddon<NativeDecoders & { readonly kernels: string; readonly hasFastBytes: boolean }>(addon);
