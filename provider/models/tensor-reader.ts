import { type FileHandle, open } from 'node:fs/promises';
import { ModelError } from './model-error.ts';
import type { Rows, Tensor, Turned } from './safetensors.ts';

const PIECE = 8 * 1024 * 1024;

/** A part of a tensor; its first byte is byte `at` of the tensor. */
interface Piece {
  readonly bytes: Uint8Array;
  readonly at: number;
}

/** Reads tensors in pieces, so that a model never lies in this process's heap as a whole. */
export class TensorReader implements AsyncDisposable {
  readonly #files = new Map<string, FileHandle>();
  readonly #piece = Buffer.allocUnsafeSlow(PIECE);

  /** All pieces share one buffer: a piece is valid only until the next one is read. */
  async *pieces(tensor: Tensor): AsyncGenerator<Piece> {
    if (tensor.turned !== undefined) yield* this.#turnedPieces(tensor, tensor.turned);
    else if (tensor.rows === undefined) yield* this.#wholePieces(tensor);
    else if (2 * tensor.rows.bytes * tensor.rows.period <= PIECE)
      yield* this.#chosenPieces(tensor, tensor.rows);
    else yield* this.#chosenRuns(tensor, tensor.rows);
  }

  async *#wholePieces(tensor: Tensor): AsyncGenerator<Piece> {
    for (let at = 0; at < tensor.bytes; at += PIECE) {
      const length = Math.min(PIECE, tensor.bytes - at);
      await this.#fill(tensor, { from: at, length });
      yield { bytes: this.#piece.subarray(0, length), at };
    }
  }

  /** Reads whole periods into one half of the buffer, and copies the chosen rows to the other. */
  async *#chosenPieces(tensor: Tensor, { bytes, period, of }: Rows): AsyncGenerator<Piece> {
    const half = PIECE / 2;
    const periodBytes = bytes * period;
    const span = (tensor.bytes / of.length) * period;
    const most = half - (half % periodBytes);
    let at = 0;
    for (let from = 0; from < span; from += most) {
      const length = Math.min(most, span - from);
      await this.#fill(tensor, { from, length });
      let made = half;
      for (let start = 0; start < length; start += periodBytes)
        for (const row of of) {
          const begin = start + row * bytes;
          this.#piece.copyWithin(made, begin, begin + bytes);
          made += bytes;
        }
      yield { bytes: this.#piece.subarray(half, made), at };
      at += made - half;
    }
  }

  /** Reads the chosen rows of long periods without the others. Short runs of them share a piece. */
  async *#chosenRuns(tensor: Tensor, { bytes, period, of }: Rows): AsyncGenerator<Piece> {
    const periods = tensor.bytes / (bytes * of.length);
    let [at, filled] = [0, 0];
    for (let start = 0; start < periods * period * bytes; start += period * bytes)
      for (const { first, rows } of runsOf(of))
        for (let done = 0; done < rows * bytes; ) {
          const length = Math.min(PIECE - filled, rows * bytes - done);
          await this.#fill(tensor, { from: start + first * bytes + done, length, to: filled });
          done += length;
          filled += length;
          if (filled < PIECE) continue;
          yield { bytes: this.#piece, at };
          at += filled;
          filled = 0;
        }
    if (filled > 0) yield { bytes: this.#piece.subarray(0, filled), at };
  }

  /** Turns one of the file's matrices after the other. */
  async *#turnedPieces(tensor: Tensor, turned: Turned): AsyncGenerator<Piece> {
    const { bytes, rows, across, first, columns } = turned;
    const made = Buffer.allocUnsafeSlow(rows * columns * bytes);
    const List = bytes === 2 ? Uint16Array : Uint32Array;
    const [read, to] = [new List(this.#piece.buffer), new List(made.buffer)];
    const most = Math.floor(PIECE / (across * bytes));
    if (most === 0)
      throw new ModelError('malformed_weights', `the rows of ${tensor.name} are too long`);
    for (let at = 0; at < tensor.bytes; at += made.length) {
      const matrix = (at / made.length) * rows * across * bytes;
      for (let row = 0; row < rows; row += most) {
        const count = Math.min(most, rows - row);
        const from = matrix + row * across * bytes;
        await this.#fill(tensor, { from, length: count * across * bytes });
        for (let column = 0; column < columns; column += 1)
          for (let i = 0; i < count; i += 1)
            to[column * rows + row + i] = read[i * across + first + column] as number;
      }
      yield { bytes: made, at };
    }
  }

  async #fill(
    { file: path, offset }: Tensor,
    { from, length, to = 0 }: { from: number; length: number; to?: number },
  ): Promise<void> {
    const file = await this.#open(path);
    for (let done = 0; done < length; ) {
      const { bytesRead } = await file.read(
        this.#piece,
        to + done,
        length - done,
        offset + from + done,
      );
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

/** Joins indices that follow one another. */
function runsOf(indices: Int32Array): { first: number; rows: number }[] {
  const runs: { first: number; rows: number }[] = [];
  for (const index of indices) {
    const last = runs.at(-1);
    if (last !== undefined && last.first + last.rows === index) last.rows += 1;
    else runs.push({ first: index, rows: 1 });
  }
  return runs;
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
