import type { DecoderShape } from '../../../models/decoder-shape.ts';
import type { Matrix } from '../../../models/decoder-weights.ts';
import type { Tensor } from '../../../models/safetensors.ts';
import type { TensorReader } from '../../../models/tensor-reader.ts';
import type { DecoderOptions } from '../decoder.ts';
import type { Gpu } from './device.ts';
import { Dispatches, type Product } from './dispatches.ts';
import type { CacheBuffer } from './gpu-cache.ts';
import { Uploader } from './gpu-weights.ts';
import { copyRows, normalise } from './kernels/rows.ts';
import { THREADS } from './kernels/wgsl.ts';
import { attendsLater, createScratch, type Scratch, scratchBeside } from './scratch.ts';
import type { Counts } from './webgpu-decoder.ts';

interface BuildParts {
  readonly shape: DecoderShape;
  readonly maxTokens: number;
  readonly readsImages: boolean;
  readonly attendsLater: boolean;
  readonly upload: Uploader;
  readonly scratch: Scratch;
  readonly dispatches: Dispatches;
  readonly reader: TensorReader;
}

/** A decoder that is being built: its weights and scratch buffers on the device, and its dispatches. */
export class DecoderBuild {
  readonly shape: DecoderShape;
  readonly maxTokens: number;
  readonly readsImages: boolean;
  /** True if tokens attend to later ones, as far as each step says. */
  readonly attendsLater: boolean;
  readonly upload: Uploader;
  readonly scratch: Scratch;
  readonly dispatches: Dispatches;
  readonly #parts: BuildParts;

  private constructor(parts: BuildParts) {
    this.shape = parts.shape;
    this.maxTokens = parts.maxTokens;
    this.readsImages = parts.readsImages;
    this.attendsLater = parts.attendsLater;
    this.upload = parts.upload;
    this.scratch = parts.scratch;
    this.dispatches = parts.dispatches;
    this.#parts = parts;
  }

  static create(gpu: Gpu, options: DecoderOptions, reader: TensorReader): DecoderBuild {
    const upload = new Uploader(gpu.device, reader);
    return new DecoderBuild({
      shape: options.model.shape,
      maxTokens: options.maxTokens,
      readsImages: options.model.vision !== undefined,
      attendsLater: attendsLater(options.model),
      upload,
      scratch: createScratch(upload, options),
      dispatches: new Dispatches(gpu, options.progressed ?? (() => {})),
      reader,
    });
  }

  /** The build of an assistant, whose dispatches are among those of the large model. */
  beside(shape: DecoderShape): DecoderBuild {
    const { upload, scratch, maxTokens } = this;
    return new DecoderBuild({
      ...this.#parts,
      shape,
      scratch: scratchBeside(upload, scratch, { shape, maxTokens }),
    });
  }

  run(
    code: string,
    buffers: readonly (GPUBuffer | CacheBuffer)[],
    groups: (counts: Counts) => [number, number],
  ): Promise<void> {
    return this.dispatches.run(code, buffers, groups);
  }

  /** Adds the product of matrices, whose rows are stacked, and the input of each token. */
  async multiply(matrices: readonly Matrix[], product: Product): Promise<void> {
    await this.dispatches.multiply(await this.upload.matrices(matrices), product);
  }

  /** A buffer for `perToken` numbers of each token. */
  numbers(perToken: number): GPUBuffer {
    return this.upload.buffer(4 * this.maxTokens * perToken);
  }

  read(tensor: Tensor): Promise<Float32Array<ArrayBuffer>> {
    return this.#parts.reader.numbers(tensor);
  }

  async vector(tensor: Tensor): Promise<GPUBuffer> {
    return this.upload.vector(await this.read(tensor));
  }

  async norm(tensor: Tensor, scale = 1): Promise<GPUBuffer> {
    const values = await this.read(tensor);
    const added = this.shape.normPlusOne ? 1 : 0;
    return this.upload.vector(values.map((value) => (value + added) * scale));
  }

  /** Writes the normalised rows of `from` to `to`. */
  async writeNormed(to: GPUBuffer, from: GPUBuffer, norm: GPUBuffer): Promise<void> {
    await this.#normalise([to, from, norm], false);
  }

  /** Writes the input of attention or of the MLP to `normed`. Some models do not normalise it. */
  async writeInput(norm: Tensor | undefined): Promise<void> {
    const { normed, state } = this.scratch;
    if (norm) return this.writeNormed(normed, state, await this.norm(norm));
    const numbers = this.shape.hidden;
    await this.run(copyRows(numbers), [normed, state], ({ tokens }) => [
      Math.ceil(numbers / THREADS),
      tokens,
    ]);
  }

  /** Adds the normalised rows of `from` to those of `to`. */
  async addNormed(to: GPUBuffer, from: GPUBuffer, norm: GPUBuffer): Promise<void> {
    await this.#normalise([to, from, norm], true);
  }

  /**
   * Adds the output of attention or MLP to the state, directly or after its norm if the model has
   * one.
   */
  async addResult(
    matrix: Matrix,
    { from, norm }: { from: GPUBuffer; norm: Tensor | undefined },
  ): Promise<void> {
    const { hidden } = this.shape;
    const { state, partOut } = this.scratch;
    const to = norm ? partOut : state;
    await this.multiply([matrix], { from, to, stride: hidden, adds: !norm });
    if (norm) await this.addNormed(state, partOut, await this.norm(norm));
  }

  async #normalise(buffers: GPUBuffer[], adds: boolean): Promise<void> {
    const { hidden, normEps } = this.shape;
    await this.run(
      normalise({ width: hidden, eps: normEps, picks: false, adds }),
      buffers,
      ({ tokens }) => [tokens, 1],
    );
  }
}
