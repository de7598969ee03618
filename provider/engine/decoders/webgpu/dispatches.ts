import type { Gpu } from './device.ts';
import { CacheBuffer } from './gpu-cache.ts';
import type { WeightRows } from './gpu-weights.ts';
import { type Multiplication, multiply, multiplyGroups } from './kernels/multiply.ts';
import { roundsFor } from './kernels/wgsl.ts';
import type { Counts, Operation } from './webgpu-decoder.ts';

/** Up to this number of inputs, a thread processes one input; above it, two are faster. */
const FEW = 1;

/** Rows of one thread. With many, a driver in software compiles a kernel for seconds. */
const rowsEach = ({ isSoftware }: Gpu): 2 | 8 => (isSoftware ? 2 : 8);

/** A product of weights and inputs. */
export interface Product {
  readonly from: GPUBuffer;
  readonly to: GPUBuffer;
  /** Distance between the results of two inputs. */
  readonly stride: number;
  /** The number of inputs; the tokens of the step by default. */
  readonly counted?: Multiplication['counted'];
  readonly adds?: boolean;
  readonly firstRow?: number;
  readonly experts?: NonNullable<Multiplication['experts']>;
  readonly chosen?: GPUBuffer;
}

/** What a decoder computes: a step, a draft of its head, or states that are moved on. */
export type Program = 'step' | 'draft' | 'advance';

/** The dispatches of each program, in their order, and the kernels that they run. */
export class Dispatches {
  readonly programs: Readonly<Record<Program, Operation[]>> = { step: [], draft: [], advance: [] };
  /** The program to which dispatches are added. */
  #program: Program = 'step';
  /** The uniform with the counts of the step. */
  readonly uniform: GPUBuffer;
  readonly #gpu: Gpu;
  readonly #progressed: () => void;
  #splits = false;

  constructor(gpu: Gpu, progressed: () => void) {
    this.#gpu = gpu;
    this.#progressed = progressed;
    this.uniform = gpu.device.createBuffer({
      size: 32,
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    });
  }

  /**
   * Chooses the kernel for products. Drivers that compute in software are faster if each thread has
   * rows of its own, and compile the other kernel for ten seconds. Most real GPUs are faster if the
   * threads of a workgroup share rows, so both are measured there with one multiplication.
   */
  async chooseMultiplication(part: WeightRows): Promise<void> {
    if (this.#gpu.isSoftware) return;
    const { device } = this.#gpu;
    const rows = Math.min(part.rows, 1024);
    const [from, to] = [
      device.createBuffer({ size: 4 * part.in, usage: GPUBufferUsage.STORAGE }),
      device.createBuffer({ size: 4 * rows, usage: GPUBufferUsage.STORAGE }),
    ];
    device.queue.writeBuffer(this.uniform, 0, Uint32Array.of(1, 1, 1, 1, 1, 1));
    const time = (split: boolean) => this.#timeOf({ ...part, rows }, { from, to, split });
    const [alone, together] = [await time(false), await time(true)];
    for (const buffer of [from, to]) buffer.destroy();
    this.#splits = together < alone;
  }

  /** Adds the dispatches that `add` adds to another program than that of a step. */
  async addTo(program: Program, add: () => Promise<void>): Promise<void> {
    const before = this.#program;
    this.#program = program;
    await add();
    this.#program = before;
  }

  /** Adds the products of all parts of a matrix. */
  async multiply(
    parts: readonly WeightRows[],
    { from, to, stride, counted = 'tokens', adds = false, firstRow = 0, experts, chosen }: Product,
  ): Promise<void> {
    for (const part of parts) {
      const { format, rows, bias, weight, scales, biases } = part;
      const common = {
        format,
        in: part.in,
        rows,
        firstRow: firstRow + part.firstRow,
        stride,
        hasBias: bias !== undefined,
        adds,
        counted,
        rowsEach: rowsEach(this.#gpu),
        split: this.#splits,
      };
      const kernelOf = async (m: Multiplication) => {
        const pipeline = await this.#pipeline(multiply(m));
        return {
          m: { ...m, rows: experts?.rows ?? rows },
          pipeline,
          bindings: this.#bind(pipeline, [
            to,
            from,
            weight,
            ...present(scales, biases, bias, chosen),
          ]),
        };
      };
      const few = await kernelOf({ ...common, tile: 1, ...(experts && { experts }) });
      const many = experts ? few : await kernelOf({ ...common, tile: 2, split: false });
      this.programs[this.#program].push((counts) => {
        const { m, ...kernel } = counts[counted] <= FEW ? few : many;
        return { ...kernel, groups: multiplyGroups(m, counts[counted]) };
      });
    }
  }

  /** Adds a dispatch of a kernel. */
  async run(
    code: string,
    buffers: readonly (GPUBuffer | CacheBuffer)[],
    groups: (counts: Counts) => [number, number],
  ): Promise<void> {
    const pipeline = await this.#pipeline(code);
    const bind = () =>
      this.#bind(
        pipeline,
        buffers.map((buffer) => (buffer instanceof CacheBuffer ? buffer.buffer : buffer)),
      );
    const cache = buffers.find((buffer) => buffer instanceof CacheBuffer)?.cache;
    let bindings = bind();
    let version = cache?.version;
    this.programs[this.#program].push((counts) => {
      if (version !== cache?.version) {
        bindings = bind();
        version = cache?.version;
      }
      return { pipeline, bindings, groups: groups(counts) };
    });
  }

  /** Binds the step's uniform at 0, and the buffers in their order from 1 on. */
  #bind(pipeline: GPUComputePipeline, buffers: readonly GPUBuffer[]): GPUBindGroup {
    const entries = [this.uniform, ...buffers].map((buffer, binding) => ({
      binding,
      resource: { buffer },
    }));
    return this.#gpu.device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
  }

  async #pipeline(code: string): Promise<GPUComputePipeline> {
    const pipeline = await this.#gpu.pipelines.of(code + roundsFor(this.#gpu));
    this.#progressed();
    return pipeline;
  }

  /** The shortest of four times of twenty multiplications, in milliseconds. */
  async #timeOf(
    { format, in: width, rows, weight, scales, biases }: WeightRows,
    { from, to, split }: { from: GPUBuffer; to: GPUBuffer; split: boolean },
  ): Promise<number> {
    const { device } = this.#gpu;
    const m: Multiplication = {
      format,
      in: width,
      rows,
      firstRow: 0,
      stride: rows,
      hasBias: false,
      adds: false,
      rowsEach: rowsEach(this.#gpu),
      tile: 1,
      split,
      counted: 'tokens',
    };
    const pipeline = await this.#pipeline(multiply(m));
    const bindings = this.#bind(pipeline, [to, from, weight, ...present(scales, biases)]);
    const times: number[] = [];
    for (let i = 0; i < 4; i += 1) {
      const began = performance.now();
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindings);
      for (let n = 0; n < 20; n += 1) pass.dispatchWorkgroups(...multiplyGroups(m, 1));
      pass.end();
      device.queue.submit([encoder.finish()]);
      await device.queue.onSubmittedWorkDone();
      times.push(performance.now() - began);
      this.#progressed();
    }
    return Math.min(...times);
  }
}

export const present = <Item>(...items: (Item | undefined)[]): Item[] =>
  items.filter((item) => item !== undefined);
