import type { Matrix } from '../../../models/decoder-weights.ts';
import type { Tensor } from '../../../models/safetensors.ts';
import type { TensorReader } from '../../../models/tensor-reader.ts';

/** The encoding of a matrix's numbers. A kernel is generated for each format. */
export interface Format {
  /** Bits of a quantized weight; 0 means that the weights are plain numbers of `type`. */
  readonly bits: number;
  readonly group: number;
  /** The type of the scales, if the weights are quantized. U8 means MXFP4, which has no biases. */
  readonly type: Tensor['type'];
}

export const isMxfp4 = ({ type }: Format): boolean => type === 'U8';

/**
 * Consecutive rows of one or more matrices of the same format, in a buffer that a kernel can bind
 * as a whole.
 */
export interface WeightRows {
  readonly format: Format;
  readonly in: number;
  readonly rows: number;
  /** Index in the result of the first of these rows. */
  readonly firstRow: number;
  readonly weight: GPUBuffer;
  readonly scales: GPUBuffer | undefined;
  readonly biases: GPUBuffer | undefined;
  readonly bias: GPUBuffer | undefined;
}

const formatOf = ({ quantized, weight }: Matrix): Format => ({
  bits: quantized?.bits ?? 0,
  group: quantized?.group ?? 0,
  type: quantized?.scales.type ?? weight.type,
});

const sameFormat = (a: Format, b: Format): boolean =>
  a.bits === b.bits && a.group === b.group && a.type === b.type;

/** Copies weights from their file into the device's memory, in parts. */
export class Uploader {
  readonly #device: GPUDevice;
  readonly #reader: TensorReader;
  readonly #buffers: GPUBuffer[] = [];
  bytes = 0;

  constructor(device: GPUDevice, reader: TensorReader) {
    this.#device = device;
    this.#reader = reader;
  }

  get buffers(): readonly GPUBuffer[] {
    return this.#buffers;
  }

  /**
   * Uploads matrices whose results are adjacent, in as few buffers as formats and device limits
   * allow.
   */
  async matrices(matrices: readonly Matrix[]): Promise<WeightRows[]> {
    const parts: WeightRows[] = [];
    let firstRow = 0;
    for (let i = 0; i < matrices.length; ) {
      const first = matrices[i] as Matrix;
      const together = [first];
      for (const next of matrices.slice(i + 1)) {
        if (
          !sameFormat(formatOf(first), formatOf(next)) ||
          Boolean(next.bias) !== Boolean(first.bias) ||
          this.#rowsThatFit(first) < rowsOf([...together, next])
        )
          break;
        together.push(next);
      }
      i += together.length;
      parts.push(...(await this.#split(together, firstRow)));
      firstRow += rowsOf(together);
    }
    return parts;
  }

  async vector(values: Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>): Promise<GPUBuffer> {
    const buffer = this.buffer(values.byteLength);
    this.#device.queue.writeBuffer(buffer, 0, values);
    return buffer;
  }

  buffer(bytes: number, usage = 0): GPUBuffer {
    const size = Math.max(16, Math.ceil(bytes / 16) * 16);
    const buffer = this.#device.createBuffer({
      size,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | usage,
    });
    this.#buffers.push(buffer);
    this.bytes += size;
    return buffer;
  }

  #rowsThatFit({ weight, out, count }: Matrix): number {
    const bytes = weight.bytes / (out * count);
    return Math.floor(this.#device.limits.maxStorageBufferBindingSize / bytes / 8) * 8;
  }

  async #split(matrices: readonly Matrix[], firstRow: number): Promise<WeightRows[]> {
    const first = matrices[0] as Matrix;
    const rows = rowsOf(matrices);
    const most = this.#rowsThatFit(first);
    const parts: WeightRows[] = [];
    for (let from = 0; from < rows; from += most) {
      const take = { from, rows: Math.min(most, rows - from) };
      const part = (of: (matrix: Matrix) => Tensor | undefined) =>
        this.#part(matrices.map(of), { ...take, of: rows });
      const biases = matrices.every(({ bias }) => bias !== undefined)
        ? await this.#numbers(matrices.map(({ bias }) => bias as Tensor))
        : undefined;
      parts.push({
        format: formatOf(first),
        in: first.in,
        rows: take.rows,
        firstRow: firstRow + from,
        weight: (await part(({ weight }) => weight)) as GPUBuffer,
        scales: await part(({ quantized }) => quantized?.scales),
        biases: await part(({ quantized }) => quantized?.biases),
        bias: biases && (await this.vector(biases.slice(from, from + take.rows))),
      });
    }
    return parts;
  }

  async #numbers(tensors: readonly Tensor[]): Promise<Float32Array<ArrayBuffer>> {
    const all = new Float32Array(
      tensors.reduce((sum, { shape }) => sum + shape.reduce((product, n) => product * n, 1), 0),
    );
    let at = 0;
    for (const tensor of tensors) {
      const numbers = await this.#reader.numbers(tensor);
      all.set(numbers, at);
      at += numbers.length;
    }
    return all;
  }

  /**
   * Uploads `rows` rows from row `from` on of the given tensors, stacked; `of` is their total
   * number of rows.
   */
  async #part(
    tensors: readonly (Tensor | undefined)[],
    { from, rows, of }: { from: number; rows: number; of: number },
  ): Promise<GPUBuffer | undefined> {
    if (tensors.some((tensor) => tensor === undefined)) return undefined;
    const whole = tensors as readonly Tensor[];
    const rowBytes = whole.reduce((sum, { bytes }) => sum + bytes, 0) / of;
    const [begin, end] = [from * rowBytes, (from + rows) * rowBytes];
    const buffer = this.buffer(end - begin);
    // The queue accepts only multiples of four bytes. The remainder is written with the next piece.
    let rest = new Uint8Array(0);
    let written = 0;
    const write = (bytes: Uint8Array<ArrayBuffer>) => {
      this.#device.queue.writeBuffer(buffer, written, bytes);
      written += bytes.length;
    };
    let start = 0;
    for (const tensor of whole) {
      for await (const { bytes, at } of this.#reader.pieces(tensor)) {
        const inside = bytes.subarray(
          Math.max(0, begin - start - at),
          Math.max(0, Math.min(bytes.length, end - start - at)),
        );
        const joined = new Uint8Array(rest.length + inside.length);
        joined.set(rest);
        joined.set(inside, rest.length);
        const even = joined.length - (joined.length % 4);
        if (even > 0) write(joined.subarray(0, even));
        rest = joined.slice(even);
      }
      start += tensor.bytes;
    }
    if (rest.length > 0) {
      const last = new Uint8Array(4);
      last.set(rest);
      write(last);
    }
    await this.#device.queue.onSubmittedWorkDone();
    return buffer;
  }
}

const rowsOf = (matrices: readonly Matrix[]): number =>
  matrices.reduce((sum, { out, count }) => sum + out * count, 0);
