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
    const file = await this.#open(tensor.file);
    for (let at = 0; at < tensor.bytes; ) {
      const { bytesRead } = await file.read(
        this.#piece,
        0,
        Math.min(PIECE, tensor.bytes - at),
        tensor.offset + at,
      );
      if (bytesRead === 0)
        throw new ModelError(
          'malformed_weights',
          `${tensor.file} is shorter than when it was opened`,
        );
      yield { bytes: this.#piece.subarray(0, bytesRead), at };
      at += bytesRead;
    }
  }

  async read(tensor: Tensor): Promise<Uint8Array<ArrayBuffer>> {
    const whole = new Uint8Array(tensor.bytes);
    for await (const { bytes, at } of this.pieces(tensor)) whole.set(bytes, at);
    return whole;
  }

  /** Reads a tensor and converts its numbers to 32 bits, if the file holds 16-bit numbers. */
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
