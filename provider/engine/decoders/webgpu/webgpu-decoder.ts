import type { RopeTables } from '../../../models/rope.ts';
import { checkAdvance, checkDraft, checkStep, checkUnits, InvalidStep } from '../check-step.ts';
import type {
  Advance,
  Decoder,
  DraftStep,
  Step,
  StepResult,
  UnitBytes,
  Units,
} from '../decoder.ts';
import { pagesOf, statesOf } from '../step.ts';
import type { Program } from './dispatches.ts';
import type { GpuCache } from './gpu-cache.ts';
import { advanceRuns, divide, NO_RUNS, runsOf, type StateRuns } from './runs.ts';
import type { Scratch } from './scratch.ts';

/** The counts of a step from which dispatch sizes are computed. */
export interface Counts {
  readonly tokens: number;
  readonly outputs: number;
  readonly slots: number;
  readonly decodeRows: number;
  readonly prefillRuns: number;
  /** Number of sequences in the step. */
  readonly stateRuns: number;
  /** Number of the tokens that belong to images. */
  readonly imageTokens: number;
  /** True for a draft that follows the last draft. */
  readonly isChained: boolean;
}

/** Returns one dispatch of a step with the given counts. */
export type Operation = (counts: Counts) => {
  readonly pipeline: GPUComputePipeline;
  readonly bindings: GPUBindGroup;
  readonly groups: readonly [number, number];
};

interface Parts {
  readonly programs: Readonly<Record<Program, readonly Operation[]>>;
  /** Called after a kernel was used for the first time. */
  readonly progressed: () => void;
  readonly uniform: GPUBuffer;
  readonly buffers: readonly GPUBuffer[];
  readonly cache: GpuCache;
  readonly stateCache: GpuCache;
  readonly headCache: GpuCache;
  /** The part that drafts; undefined if the decoder has none. */
  readonly drafts: 'head' | 'assistant' | undefined;
  /** The number of state slots; 0 if the model has no states. */
  readonly states: number;
  readonly unitBytes: UnitBytes;
  readonly memoryBytes: number;
  readonly ropes: RopeTables;
  /** Slots of a token in a step, and in a draft. */
  readonly slots: number;
  readonly draftSlots: number;
  readonly scratch: Scratch;
  readonly logits: GPUBuffer;
  readonly best: GPUBuffer;
  readonly rowsOfLogits: number;
  /** Number of the numbers that a step returns for each output. */
  readonly outputNumbers: number;
  readonly attendsLater: boolean;
  readonly readsImages: boolean;
  readonly pages: number;
  readonly maxTokens: number;
  readonly vocabulary: number;
  readonly imageNumbers: number;
}

/** A model on the device, as a sequence of dispatches. */
export class WebGpuDecoder implements Decoder {
  readonly memoryBytes: number;
  readonly #device: GPUDevice;
  readonly #parts: Parts;
  /** Kernels that the driver has compiled. */
  readonly #used = new Set<GPUComputePipeline>();
  #read: GPUBuffer;
  /** Numbers of tokens of the last step and of the last draft. */
  #stepped = 0;
  #drafted = 0;

  constructor(device: GPUDevice, parts: Parts) {
    this.#device = device;
    this.#parts = parts;
    this.memoryBytes = parts.memoryBytes;
    this.#read = this.#readable(4 * 64);
  }

  get cacheBytes(): number {
    const { cache, stateCache, headCache } = this.#parts;
    return cache.bytes + stateCache.bytes + headCache.bytes;
  }

  async keep(pages: number, states: number): Promise<void> {
    await this.#parts.cache.shrink(pages);
    await this.#parts.stateCache.shrink(states);
    await this.#parts.headCache.shrink(pages);
  }

  async save(units: Units): Promise<Uint8Array<ArrayBuffer>> {
    checkUnits(units, this.#parts);
    const copies = await this.#copiesOf(units);
    const size = copies.reduce((sum, { bytes }) => sum + bytes, 0);
    if (size === 0) return new Uint8Array(0);
    const read = this.#readable(size);
    const encoder = this.#device.createCommandEncoder();
    for (const { buffer, offset, at, bytes } of copies)
      encoder.copyBufferToBuffer(buffer, offset, read, at, bytes);
    this.#device.queue.submit([encoder.finish()]);
    try {
      await read.mapAsync(GPUMapMode.READ);
      return new Uint8Array(read.getMappedRange().slice(0));
    } finally {
      read.destroy();
    }
  }

  async restore(units: Units, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    checkUnits(units, this.#parts, bytes);
    for (const copy of await this.#copiesOf(units))
      this.#device.queue.writeBuffer(copy.buffer, copy.offset, bytes, copy.at, copy.bytes);
    await this.#device.queue.onSubmittedWorkDone();
  }

  /** The parts of units in the buffers, and where they are in the copied bytes. */
  async #copiesOf({ pages, states }: Units): Promise<UnitCopy[]> {
    const { cache, stateCache } = this.#parts;
    const copies: UnitCopy[] = [];
    let at = 0;
    for (const [from, units] of [
      [cache, pages],
      [stateCache, states],
    ] as const) {
      if (units.length > 0) await from.grow(Math.max(...units) + 1);
      for (const unit of units)
        for (const part of from.partsOf(unit)) {
          copies.push({ ...part, at });
          at += part.bytes;
        }
    }
    return copies;
  }

  async step(step: Step): Promise<StepResult> {
    const { readsImages, cache, stateCache, states, outputNumbers, slots } = this.#parts;
    checkStep(step, this.#parts);
    if (step.imageTokens.length > 0 && !readsImages)
      throw new InvalidStep('the model reads no images');
    await cache.grow(pagesOf(step));
    if (states > 0) await stateCache.grow(statesOf(step));
    const runs = states > 0 ? runsOf(step) : NO_RUNS;
    this.#stepped = 0;
    const counts = this.#write(step, { ...runs, isChained: false, slots });
    const encoder = await this.#dispatch('step', counts);
    const result = await this.#results(encoder, {
      outputs: counts.outputs,
      numbers: step.wantsLogits ? outputNumbers : 0,
    });
    this.#stepped = step.tokens.length;
    return result;
  }

  async draft(step: DraftStep): Promise<Int32Array> {
    const { drafts, cache, headCache, scratch, draftSlots } = this.#parts;
    if (drafts === undefined) throw new InvalidStep('the model has no draft head');
    checkDraft(step, this.#parts, step.isChained ? this.#drafted : this.#stepped);
    await (drafts === 'head' ? headCache : cache).grow(pagesOf(step));
    this.#drafted = 0;
    const counts = this.#write(step, { ...NO_RUNS, isChained: step.isChained, slots: draftSlots });
    this.#device.queue.writeBuffer(scratch.before, 0, step.before);
    const encoder = await this.#dispatch('draft', counts);
    const { best } = await this.#results(encoder, { outputs: counts.outputs, numbers: 0 });
    this.#drafted = step.tokens.length;
    return best;
  }

  async advance(advance: Advance): Promise<void> {
    checkAdvance(advance, this.#parts, this.#stepped);
    if (advance.slots.length === 0) return;
    const { scratch, stateCache, uniform } = this.#parts;
    const { queue } = this.#device;
    await stateCache.grow(Math.max(...advance.slots) + 1);
    const { tokens, stateRuns, runOf } = advanceRuns(advance);
    queue.writeBuffer(uniform, 0, Uint32Array.of(tokens, 0, 0, 0, 0, 0));
    queue.writeBuffer(scratch.stateRuns, 0, Int32Array.from(stateRuns));
    queue.writeBuffer(scratch.runOf, 0, Int32Array.from(runOf));
    const encoder = await this.#dispatch('advance', {
      tokens,
      outputs: 0,
      slots: 0,
      decodeRows: 0,
      prefillRuns: 0,
      stateRuns: advance.slots.length,
      imageTokens: 0,
      isChained: false,
    });
    queue.submit([encoder.finish()]);
    await queue.onSubmittedWorkDone();
  }

  /** Writes the inputs of a pass to the device. */
  #write(
    step: Step,
    { stateRuns, runOf, isChained, slots }: StateRuns & { isChained: boolean; slots: number },
  ): Counts {
    const { uniform, scratch, ropes, rowsOfLogits, attendsLater } = this.#parts;
    const { queue } = this.#device;
    const { decodeRows, prefillRuns } = divide(step);
    const counts: Counts = {
      tokens: step.tokens.length,
      outputs: step.outputs.length,
      slots: step.tokens.length * slots,
      decodeRows: decodeRows.length / 2,
      prefillRuns: prefillRuns.length / 3,
      stateRuns: stateRuns.length / 4,
      imageTokens: step.imageTokens.length,
      isChained,
    };
    if (counts.outputs > rowsOfLogits) throw new InvalidStep('the step has too many outputs');
    queue.writeBuffer(
      uniform,
      0,
      Uint32Array.of(
        counts.tokens,
        counts.outputs,
        step.tableWidth,
        counts.slots,
        counts.decodeRows,
        counts.prefillRuns,
      ),
    );
    const lists = {
      ...step,
      ends: attendsLater ? step.ends : new Int32Array(0),
      decodeRows: Int32Array.from(decodeRows),
      prefillRuns: Int32Array.from(prefillRuns),
      stateRuns: Int32Array.from(stateRuns),
      runOf: Int32Array.from(runOf),
      ropeAngles: ropes.angles(step.coordinates),
    };
    for (const name of [
      'tokens',
      'positions',
      'ends',
      'places',
      'decodeRows',
      'prefillRuns',
      'stateRuns',
      'runOf',
      'tables',
      'outputs',
      'ropeAngles',
      'imageTokens',
      'imageEmbeddings',
    ] as const)
      if (lists[name].length > 0) queue.writeBuffer(scratch[name], 0, lists[name]);
    return counts;
  }

  /** Runs what was encoded, and reads the most likely tokens and `numbers` numbers of each output. */
  async #results(
    encoder: GPUCommandEncoder,
    { outputs, numbers }: { outputs: number; numbers: number },
  ): Promise<StepResult> {
    const { logits, best } = this.#parts;
    const { queue } = this.#device;
    const bestBytes = 4 * outputs;
    const logitBytes = 4 * outputs * numbers;
    if (this.#read.size < bestBytes + logitBytes) {
      this.#read.destroy();
      this.#read = this.#readable(bestBytes + logitBytes);
    }
    if (bestBytes > 0) encoder.copyBufferToBuffer(best, 0, this.#read, 0, bestBytes);
    if (logitBytes > 0) encoder.copyBufferToBuffer(logits, 0, this.#read, bestBytes, logitBytes);
    queue.submit([encoder.finish()]);
    if (bestBytes === 0) {
      await queue.onSubmittedWorkDone();
      return { best: new Int32Array(0) };
    }
    await this.#read.mapAsync(GPUMapMode.READ, 0, bestBytes + logitBytes);
    const bytes = this.#read.getMappedRange(0, bestBytes + logitBytes).slice(0);
    this.#read.unmap();
    return {
      best: new Int32Array(bytes, 0, outputs),
      ...(numbers > 0 && { logits: new Float32Array(bytes, bestBytes) }),
    };
  }

  /**
   * Encodes the dispatches of a program. A driver may compile a kernel only when it is used, which takes
   * seconds in software: each first use is awaited, so that it counts as progress.
   */
  async #dispatch(program: Program, counts: Counts): Promise<GPUCommandEncoder> {
    const { queue } = this.#device;
    let encoder = this.#device.createCommandEncoder();
    let pass = encoder.beginComputePass();
    for (const operation of this.#parts.programs[program]) {
      const { pipeline, bindings, groups } = operation(counts);
      if (groups[0] * groups[1] === 0) continue;
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindings);
      pass.dispatchWorkgroups(...groups);
      if (this.#used.has(pipeline)) continue;
      this.#used.add(pipeline);
      pass.end();
      queue.submit([encoder.finish()]);
      await queue.onSubmittedWorkDone();
      this.#parts.progressed();
      encoder = this.#device.createCommandEncoder();
      pass = encoder.beginComputePass();
    }
    pass.end();
    return encoder;
  }

  #readable(bytes: number): GPUBuffer {
    return this.#device.createBuffer({
      size: bytes,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#device.queue.onSubmittedWorkDone();
    for (const buffer of [
      ...this.#parts.buffers,
      this.#parts.uniform,
      this.#parts.cache,
      this.#parts.stateCache,
      this.#parts.headCache,
      this.#read,
    ])
      buffer.destroy();
  }
}

interface UnitCopy {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly bytes: number;
  /** Offset in the copied bytes. */
  readonly at: number;
}
