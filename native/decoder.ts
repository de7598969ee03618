import { loadAddon } from './loaded-addon.ts';

/** A decoder on a thread of its own. Calls are done one after the other. */
export interface NativeDecoder {
  /** The bytes that it takes without its cache. Errors have the code `invalid_model`, `invalid_step`, `not_loaded` or `engine_failed`. */
  load(model: unknown): Promise<number>;
  step(step: unknown): Promise<{ best: Int32Array; logits?: Float32Array; cacheBytes: number }>;
  /** Gives back the memory of all pages from this one on. Resolves to the bytes that the cache still takes. */
  keep(pages: number): Promise<number>;
  close(): Promise<void>;
}

export interface NativeDecoders {
  readonly Decoder: new () => NativeDecoder;
}

/** `mismatch` says why this library cannot be used, if it cannot. */
export const loadMlxDecoders = () => loadAddon<NativeDecoders & { readonly device: string; readonly mismatch: string }>('mlx');

/** The instruction set that its loops were chosen for. */
export const loadCpuDecoders = (addon: 'cpu' | 'cpu-sanitized') => loadAddon<NativeDecoders & { readonly kernels: string }>(addon);
