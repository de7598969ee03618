import type { FileHandle } from 'node:fs/promises';
import { isObject, parseObject } from './json.ts';
import { ModelError } from './model-error.ts';
import type { ModelFile, ModelFolder } from './model-folder.ts';

/**
 * The safetensors types that a file may have, with the bytes of one number. I32 and I64 are only those
 * of lists, such as the order of an assistant's tokens.
 */
const BYTES = { F32: 4, F16: 2, BF16: 2, U32: 4, U8: 1, I32: 4, I64: 8 } as const;
type TensorType = keyof typeof BYTES;

/** The position of a tensor in its file. The bytes themselves are read later, by TensorReader. */
export interface Tensor {
  readonly name: string;
  readonly type: TensorType;
  readonly shape: readonly number[];
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
  /** Set if the tensor consists of some rows of a larger tensor of the file. */
  readonly rows?: Rows;
  /** Set if the tensor consists of some columns of matrices of the file, which are its rows. */
  readonly turned?: Turned;
}

/**
 * A choice of columns: of each of the file's matrices, with `rows` rows of `across` numbers, the
 * `columns` columns from number `first` on. A number has `bytes` bytes.
 */
export interface Turned {
  readonly bytes: number;
  readonly rows: number;
  readonly across: number;
  readonly first: number;
  readonly columns: number;
}

/**
 * A choice of rows: of each `period` rows of the file, those at the indices `of`, in this order. A
 * row has `bytes` bytes.
 */
export interface Rows {
  readonly bytes: number;
  readonly period: number;
  readonly of: Int32Array;
}
export type RowChoice = Pick<Rows, 'period' | 'of'>;
export type Tensors = ReadonlyMap<string, Tensor>;

/** Returns the chosen ones of a tensor's `rows` rows, as a tensor of the given shape. */
export function chooseRows(
  tensor: Tensor,
  { rows, shape, period, of }: RowChoice & { rows: number; shape: readonly number[] },
): Tensor {
  if (tensor.rows !== undefined) throw new Error(`rows of ${tensor.name} were already chosen`);
  const rowBytes = tensor.bytes / rows;
  const chosen = { ...tensor, shape, bytes: (tensor.bytes / period) * of.length };
  const first = of[0] as number;
  // Adjacent rows are a tensor of their own, which is read without a copy.
  if (period === rows && of.every((row, i) => row === first + i))
    return { ...chosen, offset: tensor.offset + first * rowBytes };
  return { ...chosen, rows: { bytes: rowBytes, period, of } };
}

/** Returns some columns of stacked matrices, each as a row of the matrices of the result. */
export function turnedColumns(
  tensor: Tensor,
  { first, columns }: { first: number; columns: number },
): Tensor {
  const [count, rows, across] = tensor.shape as [number, number, number];
  const bytes = BYTES[tensor.type];
  return {
    ...tensor,
    shape: [count, columns, rows],
    bytes: count * columns * rows * bytes,
    turned: { bytes, rows, across, first, columns },
  };
}

const MAX_HEADER_BYTES = 32 * 1024 * 1024;
const MAX_TENSORS = 200_000;
const MAX_DIMENSIONS = 8;
const MAX_FILES = 1_000;

/**
 * Lists every tensor of the folder from the headers of its files. If the folder has an index, only
 * the files that the index names are read.
 */
export async function readTensors(folder: ModelFolder): Promise<Tensors> {
  const tensors = new Map<string, Tensor>();
  for (const name of await weightFiles(folder)) {
    await using file = await folder.open(name);
    for (const tensor of await readHeader(file, name)) {
      if (tensors.has(tensor.name))
        throw new ModelError('malformed_weights', `${tensor.name} is in two files`);
      tensors.set(tensor.name, tensor);
    }
  }
  return tensors;
}

async function weightFiles(folder: ModelFolder): Promise<string[]> {
  const index = await folder.jsonIfAny('model.safetensors.index.json');
  if (index === undefined) {
    const files = (await folder.names()).filter((name) => name.endsWith('.safetensors'));
    if (files.length === 0)
      throw new ModelError('missing_file', 'the folder has no .safetensors file');
    return files;
  }
  const { weight_map: map } = index;
  if (!isObject(map))
    throw new ModelError('malformed_weights', 'model.safetensors.index.json has no weight_map');
  const files = new Set<string>();
  for (const file of Object.values(map)) {
    if (typeof file !== 'string')
      throw new ModelError('malformed_weights', 'a value of weight_map is not a file name');
    files.add(file);
  }
  if (files.size > MAX_FILES)
    throw new ModelError(
      'malformed_weights',
      `weight_map names ${files.size} files; at most ${MAX_FILES} are allowed`,
    );
  return [...files].sort();
}

async function readHeader({ handle, path, size }: ModelFile, name: string): Promise<Tensor[]> {
  const bad = (why: string) => new ModelError('malformed_weights', `${name}: ${why}`);
  const start = await readBytes(handle, 0, Math.min(8, size));
  if (start.length < 8) throw bad('the file is too short to be a safetensors file');
  const length = start.readBigUInt64LE(0);
  if (length > BigInt(Math.min(MAX_HEADER_BYTES, size - 8)))
    throw bad(
      `the header has ${length} bytes in a file of ${size} bytes; at most ${MAX_HEADER_BYTES} are allowed`,
    );
  const header = parseObject((await readBytes(handle, 8, Number(length))).toString('utf8'), name);
  const data = 8 + Number(length);
  const entries = Object.entries(header).filter(([key]) => key !== '__metadata__');
  if (entries.length > MAX_TENSORS)
    throw bad(`the file has ${entries.length} tensors; at most ${MAX_TENSORS} are allowed`);
  const tensors = entries.map(([key, about]) => readEntry(key, about, { path, data, size, bad }));
  const inOrder = tensors.filter(({ bytes }) => bytes > 0).sort((a, b) => a.offset - b.offset);
  for (const [i, tensor] of inOrder.entries()) {
    const before = inOrder[i - 1];
    if (before !== undefined && before.offset + before.bytes > tensor.offset)
      throw bad(`${before.name} and ${tensor.name} overlap`);
  }
  return tensors;
}

interface Place {
  readonly path: string;
  readonly data: number;
  readonly size: number;
  readonly bad: (why: string) => ModelError;
}

function readEntry(name: string, about: unknown, { path, data, size, bad }: Place): Tensor {
  if (!isObject(about)) throw bad(`${name} is not described by an object`);
  const { dtype, shape, data_offsets: offsets } = about;
  if (typeof dtype !== 'string' || !Object.hasOwn(BYTES, dtype))
    throw bad(
      `${name} has the type ${String(dtype).slice(0, 32)}; supported are ${Object.keys(BYTES).join(', ')}`,
    );
  const type = dtype as TensorType;
  if (!isCounts(shape) || shape.length > MAX_DIMENSIONS)
    throw bad(`the shape of ${name} is not a list of at most ${MAX_DIMENSIONS} sizes`);
  if (!isCounts(offsets) || offsets.length !== 2) throw bad(`${name} has no valid data_offsets`);
  const [begin, end] = offsets as [number, number];
  const wanted = shape.reduce((product, n) => product * n, 1) * BYTES[type];
  if (end - begin !== wanted) throw bad(`${name} must have ${wanted} bytes but has ${end - begin}`);
  if (data + end > size) throw bad(`${name} extends beyond the end of the file`);
  return { name, type, shape, file: path, offset: data + begin, bytes: wanted };
}

async function readBytes(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  const { bytesRead } = await file.read(buffer, 0, length, position);
  return buffer.subarray(0, bytesRead);
}

const isCounts = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
