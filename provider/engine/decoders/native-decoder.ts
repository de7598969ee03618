import { availableParallelism } from 'node:os';
import { loadCpuDecoders, loadMlxDecoders, type NativeDecoder, type NativeDecoders } from '#native';
import { RopeTables } from '../../models/rope.ts';
import { checkStep, type StepLimits } from './check-step.ts';
import { type Backend, type BackendOrReason, type Decoder, type DecoderOptions, PAGE_TOKENS, type Step, type StepResult } from './decoder.ts';

interface CpuOptions {
  /** Of its own for each decoder; without a wish, one for each core. */
  readonly threads?: number;
  /**
   * What is multiplied with rounded weights is rounded to 16 bits, and the answers are those of the other engines. To 8 bits, as
   * llama.cpp does it, prompts and batches are read half as fast again, and an unlikely token sometimes takes the place of another.
   */
  readonly fine?: boolean;
  /** The build with address and undefined behaviour checks, for the fuzz. */
  readonly addon?: 'cpu' | 'cpu-sanitized';
}

export function createCpuBackend({
  threads = availableParallelism(),
  fine = process.env['DINF_CPU_FAST'] !== '1',
  addon: addonName = 'cpu',
}: CpuOptions = {}): BackendOrReason {
  const addon = loadCpuDecoders(addonName);
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
      return new NativelyDecoded(native, { memoryBytes, ropes: new RopeTables(shape), limits: { vocabulary: shape.vocabulary, pages, maxTokens } });
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

class NativelyDecoded implements Decoder {
  readonly memoryBytes: number;
  readonly #native: NativeDecoder;
  readonly #ropes: RopeTables;
  readonly #limits: StepLimits;

  constructor(native: NativeDecoder, { memoryBytes, ropes, limits }: { memoryBytes: number; ropes: RopeTables; limits: StepLimits }) {
    this.#native = native;
    this.memoryBytes = memoryBytes;
    this.#ropes = ropes;
    this.#limits = limits;
  }

  async step(step: Step): Promise<StepResult> {
    // The addon checks it again, but turns of a position that is out of range would take all memory before that.
    checkStep(step, this.#limits);
    return this.#native.step({ ...step, turns: this.#ropes.turns(step.positions) });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#native.close();
  }
}
