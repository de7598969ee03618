import { type FileHandle, open } from 'node:fs/promises';
import { ModelError } from './model-error.ts';
import type { Tensor } from './safetensors.ts';

const PIECE = 8 * 1024 * 1024;

/** Reads tensors in pieces, so that a model never lies in this process's heap as a whole. */
export class TensorReader implements AsyncDisposable {
  readonly #files = new Map<string, FileHandle>();
  readonly #piece = Buffer.allocUnsafeSlow(PIECE);

  /** All pieces share one buffer: a piece is valid only until the next one is read. */
  async *pieces(tensor: Tensor): AsyncGenerator<{ bytes: Uint8Array; at: number }> {
    const { bytes: rowBytes, first, step } = tensor.rows ?? { bytes: 1, first: 0, step: 1 };
    const most = PIECE - (PIECE % (rowBytes * step));
    const span = tensor.bytes * step;
    for (let at = 0; at < span; at += most) {
      const length = Math.min(most, span - at);
      await this.#fill(tensor, { at, length });
      if (step > 1)
        for (let row = 0; row * rowBytes * step < length; row += 1) {
          const from = (row * step + first) * rowBytes;
          this.#piece.copyWithin(row * rowBytes, from, from + rowBytes);
        }
      yield { bytes: this.#piece.subarray(0, length / step), at: at / step };
    }
  }

  async #fill(
    { file: path, offset }: Tensor,
    { at, length }: { at: number; length: number },
  ): Promise<void> {
    const file = await this.#open(path);
    for (let done = 0; done < length; ) {
      const { bytesRead } = await file.read(this.#piece, done, length - done, offset + at + done);
      if (bytesRead === 0)
        throw new ModelError('malformed_weights', `${path} is shorter than when it was opened`);
      done += bytesRead;
    }
  }

  async read(tensor: Tensor): Promise<Uint8Array<ArrayBuffer>> {
    const whole = new Uint8Array(tensor.bytes);
    for await (const { bytes, at } of this.pieces(tensor)) whole.set(bytes, at);
    return whole;
  }

  /**
   * Reads a tensor and converts its numbers to 32 bits. A byte is the exponent of a power of two, as
   * in the scales of MXFP4.
   */
  async numbers(tensor: Tensor): Promise<Float32Array<ArrayBuffer>> {
    return toFloat32(await this.read(tensor), tensor.type);
  }

  async #open(path: string): Promise<FileHandle> {
    const known = this.#files.get(path);
    if (known !== undefined) return known;
    const file = await open(path, 'r').catch((cause: unknown) => {
      throw new ModelError('missing_file', path, { cause });
    });
    this.#files.set(path, file);
    return file;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const file of this.#files.values()) await file.close();
    this.#files.clear();
  }
}

function toFloat32(
  bytes: Uint8Array<ArrayBuffer>,
  type: Tensor['type'],
): Float32Array<ArrayBuffer> {
  if (type === 'F32') return new Float32Array(bytes.buffer);
  if (type === 'U8') return Float32Array.from(bytes, (exponent) => 2 ** (exponent - 127));
  const halves = new Uint16Array(bytes.buffer);
  const whole = new Uint32Array(halves.length);
  if (type === 'BF16')
    for (let i = 0; i < halves.length; i += 1) whole[i] = (halves[i] as number) << 16;
  else for (let i = 0; i < halves.length; i += 1) whole[i] = halfToSingle(halves[i] as number);
  return new Float32Array(whole.buffer);
}

/** Returns the bits of the 32-bit float that equals a 16-bit float. */
function halfToSingle(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f800000 | (fraction << 13);
  if (exponent !== 0) return sign | ((exponent + 112) << 23) | (fraction << 13);
  if (fraction === 0) return sign;
  const shift = Math.clz32(fraction) - 21;
  return sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13);
}
