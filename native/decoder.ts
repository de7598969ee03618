import { loadAddon } from './loaded-addon.ts';

/** A decoder on a thread of its own. Calls are done one after the other. */
export interface NativeDecoder {
  /** The bytes that it takes. Rejects with what is wrong. */
  load(model: unknown): Promise<number>;
  step(step: unknown): Promise<{ best: Int32Array; logits?: Float32Array }>;
  close(): Promise<void>;
}

export interface NativeDecoders {
  readonly Decoder: new () => NativeDecoder;
}

/** `mismatch` says why this library cannot be used, if it cannot. */
export const loadMlxDecoders = () => loadAddon<NativeDecoders & { readonly device: string; readonly mismatch: string }>('mlx');

/** The instruction set that its loops were chosen for. */
export const loadCpuDecoders = () => loadAddon<NativeDecoders & { readonly kernels: string }>('cpu');
