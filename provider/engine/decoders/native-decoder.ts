import { availableParallelism } from 'node:os';
import { setting } from '#bus-schemas/settings/settings.ts';
import { loadCpuDecoders, loadMlxDecoders, type NativeDecoder, type NativeDecoders } from '#native';
import type { DecoderModel } from '../../models/model.ts';
import { RopeTables } from '../../models/rope.ts';
import {
  checkAdvance,
  checkDraft,
  checkExpected,
  checkStep,
  keptTokens,
  type StepLimits,
  stepLimits,
} from './check-step.ts';
import {
  type Advance,
  type Backend,
  type BackendOrReason,
  type Decoder,
  type DecoderOptions,
  type DraftStep,
  PAGE_TOKENS,
  type Step,
  type StepResult,
  type Units,
  wholeNumbers,
} from './decoder.ts';

interface CpuOptions {
  /** Number of threads of each decoder; by default, one for each core. */
  readonly threads?: number;
  /**
   * True: inputs of quantized matrices are rounded to 16 bits, and answers equal those of the other
   * backends. False: they are rounded to 8 bits, as llama.cpp does, if the processor multiplies
   * bytes faster; prompts and batches are then processed about 1.5 times as fast, and sometimes
   * another token is chosen.
   */
  readonly fine?: boolean;
  /**
   * `cpu-sanitized` is built with checks for memory errors and undefined behaviour, for the fuzz
   * test.
   */
  readonly addon?: 'cpu' | 'cpu-sanitized';
}

export function createCpuBackend({
  threads = availableParallelism(),
  fine = !setting('DINF_CPU_FAST'),
  addon: addonName = 'cpu',
}: CpuOptions = {}): BackendOrReason {
  const addon = loadCpuDecoders(addonName);
  if (!addon.available) return { reason: addon.reason };
  const { Decoder: NativeCpuDecoder, kernels, hasFastBytes } = addon.exports;
  return {
    backend: nativeBackend({
      name: 'cpu',
      device: `${threads} threads, ${kernels}${fine || !hasFastBytes ? '' : ', fast'}`,
      Decoder: NativeCpuDecoder,
      threads,
      fine,
      worksAhead: false,
      isSoftware: false,
      cacheNumberBytes: wholeNumbers,
    }),
  };
}

export function createMlxBackend(): BackendOrReason {
  const addon = loadMlxDecoders();
  if (!addon.available) return { reason: `MLX cannot be loaded: ${addon.reason}` };
  const { Decoder: NativeMlxDecoder, device, mismatch } = addon.exports;
  if (mismatch !== '') return { reason: mismatch };
  const isSoftware = device !== 'Metal';
  const cacheNumberBytes = isSoftware ? wholeNumbers : storedNumberBytes;
  return {
    backend: nativeBackend({
      name: 'mlx',
      device,
      Decoder: NativeMlxDecoder,
      threads: 1,
      fine: true,
      worksAhead: true,
      isSoftware,
      cacheNumberBytes,
    }),
  };
}

/**
 * On Metal, MLX computes in the number type of the model's files. `MlxEngine::load` has the same
 * rule.
 */
function storedNumberBytes({ weights: { embedding } }: DecoderModel): number {
  const { type } = embedding.quantized?.scales ?? embedding.weight;
  return type === 'F16' || type === 'BF16' ? 2 : 4;
}

interface NativeParts
  extends NativeDecoders,
    Pick<Backend, 'name' | 'device' | 'isSoftware' | 'cacheNumberBytes'> {
  readonly threads: number;
  readonly fine: boolean;
  readonly worksAhead: boolean;
}

function nativeBackend({
  name,
  device,
  Decoder: Native,
  threads,
  fine,
  worksAhead,
  isSoftware,
  cacheNumberBytes,
}: NativeParts): Backend {
  return {
    name,
    device,
    isSoftware,
    maxBufferBytes: Number.POSITIVE_INFINITY,
    cacheNumberBytes,
    load: async (options: DecoderOptions) => {
      const native = new Native();
      const { shape, weights, assistant } = options.model;
      const { pages, states, maxTokens, ...limits } = stepLimits(options);
      const memoryBytes = await native
        .load({
          shape,
          weights,
          assistant,
          pages,
          states,
          pageTokens: PAGE_TOKENS,
          maxTokens,
          keptTokens: keptTokens(maxTokens),
          threads,
          fine,
        })
        .catch(async (error: unknown) => {
          await native.close();
          throw error;
        });
      const drafts = weights.head !== undefined || assistant !== undefined;
      return new NativelyDecoded(native, {
        memoryBytes,
        ropes: new RopeTables(shape),
        drafts,
        // As `MlxEngine::expect`: a state, and what is kept for drafts, cannot be replaced.
        worksAhead: worksAhead && !drafts && states === 0 && !shape.returnsStates,
        limits: { pages, states, maxTokens, ...limits },
      });
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

interface LoadedParts {
  readonly memoryBytes: number;
  readonly ropes: RopeTables;
  readonly limits: StepLimits;
  readonly drafts: boolean;
  readonly worksAhead: boolean;
}

class NativelyDecoded implements Decoder {
  readonly memoryBytes: number;
  readonly worksAhead: boolean;
  cacheBytes = 0;
  readonly #native: NativeDecoder;
  readonly #ropes: RopeTables;
  readonly #limits: StepLimits;
  /** True if the model has a head or an assistant, for which the addon keeps states. */
  readonly #drafts: boolean;
  /** Numbers of tokens of the last step and of the last draft. */
  #stepped = 0;
  #drafted = 0;

  constructor(
    native: NativeDecoder,
    { memoryBytes, ropes, limits, drafts, worksAhead }: LoadedParts,
  ) {
    this.#native = native;
    this.memoryBytes = memoryBytes;
    this.#ropes = ropes;
    this.#limits = limits;
    this.#drafts = drafts;
    this.worksAhead = worksAhead;
  }

  async step(step: Step, expected?: Step): Promise<StepResult> {
    // The addon checks the steps too. They are checked here first, because the addon gets no coordinates.
    checkStep(step, this.#limits);
    if (expected !== undefined) checkExpected(expected, step, this.#limits);
    const { cacheBytes, ...result } = await this.#native.step(
      this.#withAngles(step),
      expected && this.#withAngles(expected),
    );
    this.cacheBytes = cacheBytes;
    this.#stepped = step.tokens.length;
    return result;
  }

  #withAngles(step: Step): object {
    return { ...step, ropeAngles: this.#ropes.angles(step.coordinates) };
  }

  async advance(advance: Advance): Promise<void> {
    checkAdvance(advance, this.#limits, this.#stepped);
    await this.#native.advance(advance);
  }

  async draft(step: DraftStep): Promise<Int32Array> {
    const kept = step.isChained ? this.#drafted : this.#stepped;
    checkDraft(step, this.#limits, this.#drafts ? kept : 0);
    const best = await this.#native.draft(this.#withAngles(step));
    this.#drafted = step.tokens.length;
    return best;
  }

  async keep(pages: number, states: number): Promise<void> {
    this.cacheBytes = await this.#native.keep(pages, states);
  }

  save(units: Units): Promise<Uint8Array<ArrayBuffer>> {
    return this.#native.save(units);
  }

  async restore(units: Units, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    this.cacheBytes = await this.#native.restore(units, bytes);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#native.close();
  }
}
