import { availableParallelism } from 'node:os';
import { loadCpuDecoders, loadMlxDecoders, type NativeDecoder, type NativeDecoders } from '#native';
import { RopeTable } from '../../models/rope.ts';
import type { BackendOrReason } from './backend-or-reason.ts';
import { type Backend, type Decoder, type DecoderOptions, PAGE_TOKENS, type Step, type StepResult } from './decoder.ts';

interface CpuOptions {
  /** Of its own for each decoder; without a wish, one for each core. */
  readonly threads?: number;
  /**
   * What is multiplied with rounded weights is rounded to 16 bits, and the answers are those of the other engines. To 8 bits, as
   * llama.cpp does it, prompts and batches are read half as fast again, and an unlikely token sometimes takes the place of another.
   */
  readonly fine?: boolean;
}

export function createCpuBackend({ threads = availableParallelism(), fine = process.env['DINF_CPU_FAST'] !== '1' }: CpuOptions = {}): BackendOrReason {
  const addon = loadCpuDecoders();
  if (!addon.available) return { reason: addon.reason };
  const { Decoder: NativeCpuDecoder, kernels } = addon.exports;
  return {
    backend: nativeBackend({
      name: 'cpu',
      device: `${threads} threads, ${kernels}${fine ? '' : ', fast'}`,
      Decoder: NativeCpuDecoder,
      threads,
      fine,
      isSoftware: false,
    }),
  };
}

export function createMlxBackend(): BackendOrReason {
  const addon = loadMlxDecoders();
  if (!addon.available) return { reason: `no MLX: ${addon.reason}` };
  const { Decoder: NativeMlxDecoder, device, mismatch } = addon.exports;
  if (mismatch !== '') return { reason: mismatch };
  return { backend: nativeBackend({ name: 'mlx', device, Decoder: NativeMlxDecoder, threads: 1, fine: true, isSoftware: device !== 'Metal' }) };
}

interface NativeParts extends NativeDecoders, Pick<Backend, 'name' | 'device'> {
  readonly threads: number;
  readonly fine: boolean;
  readonly isSoftware: boolean;
}

function nativeBackend({ name, device, Decoder: Native, threads, fine, isSoftware }: NativeParts): Backend {
  return {
    name,
    device,
    isSoftware,
    maxBufferBytes: Number.POSITIVE_INFINITY,
    load: async ({ model, pages, maxTokens }: DecoderOptions) => {
      const native = new Native();
      const { shape, weights } = model;
      const memoryBytes = await native.load({ shape, weights, pages, pageTokens: PAGE_TOKENS, maxTokens, threads, fine }).catch(async (error: unknown) => {
        await native.close();
        throw error;
      });
      return new NativelyDecoded(native, { memoryBytes, ropes: shape.ropes.map((rope) => new RopeTable(rope, shape.headDim)) });
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

class NativelyDecoded implements Decoder {
  readonly memoryBytes: number;
  readonly #native: NativeDecoder;
  readonly #ropes: readonly RopeTable[];

  constructor(native: NativeDecoder, { memoryBytes, ropes }: { memoryBytes: number; ropes: readonly RopeTable[] }) {
    this.#native = native;
    this.memoryBytes = memoryBytes;
    this.#ropes = ropes;
  }

  step(step: Step): Promise<StepResult> {
    return this.#native.step({ ...step, turns: turnsOf(this.#ropes, step.positions) });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#native.close();
  }
}

/** For each rope, for each token, its cosines and then its sines. */
function turnsOf(ropes: readonly RopeTable[], positions: Int32Array): Float32Array<ArrayBuffer> {
  const size = positions.length * 2 * (ropes[0]?.half ?? 0);
  const turns = new Float32Array(ropes.length * size);
  for (const [index, rope] of ropes.entries()) rope.fill(turns.subarray(index * size, (index + 1) * size), positions);
  return turns;
}
