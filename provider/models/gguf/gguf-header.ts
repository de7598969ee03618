import type { FileHandle } from 'node:fs/promises';
import { ModelError } from '../model-error.ts';
import { type NumberType, numberTypeOf } from './number-types.ts';

type GgufValue = number | boolean | string | readonly (number | boolean | string)[];

/** A tensor of the file. Its shape has the rows before the columns, as in safetensors files. */
export interface GgufTensor {
  readonly name: string;
  readonly type: NumberType;
  readonly shape: readonly number[];
  /** Position in the file, in bytes. */
  readonly offset: number;
  readonly bytes: number;
}

/** What a GGUF file states before its tensors. A value of any allowed type may stand under any key. */
export interface GgufHeader {
  readonly facts: ReadonlyMap<string, GgufValue>;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

const MAGIC = 0x46554747;
const VERSIONS = [2, 3];
const MAX_HEADER_BYTES = 64 * 1024 * 1024;
const MAX_FACTS = 4_096;
const MAX_TENSORS = 200_000;
const MAX_NAME_BYTES = 1_024;
const MAX_TEXT_BYTES = 4 * 1024 * 1024;
/** Items of all lists together; the largest published vocabularies have 300,000 tokens and 600,000 merges. */
const MAX_ITEMS = 4_000_000;
const MAX_DIMENSIONS = 4;
const MAX_ALIGNMENT = 65_536;
const DEFAULT_ALIGNMENT = 32;
const TEXT_TYPE = 8;
const LIST_TYPE = 9;

/**
 * Reads the header of a GGUF file, which is not trusted: every length and count is checked against
 * a limit and against the rest of the file before memory is allocated for it.
 */
export async function readGgufHeader(handle: FileHandle, size: number): Promise<GgufHeader> {
  // Nothing states the length of the header, so as much is read as a header may have.
  const bytes = Buffer.allocUnsafe(Math.min(size, MAX_HEADER_BYTES));
  const { bytesRead } = await handle.read(bytes, 0, bytes.length, 0);
  const cursor = new Cursor(bytes.subarray(0, bytesRead));
  if (cursor.uint32() !== MAGIC) throw malformed('the file does not begin with "GGUF"');
  const version = cursor.uint32();
  if (!VERSIONS.includes(version))
    throw malformed(`its version is ${version}; supported are ${VERSIONS.join(' and ')}`);
  const tensors = cursor.count('number of tensors', MAX_TENSORS);
  const facts = readFacts(cursor, cursor.count('number of metadata entries', MAX_FACTS));
  const entries = Array.from({ length: tensors }, () => readEntry(cursor));
  return { facts, tensors: placed(entries, dataStart(cursor, facts), size) };
}

function readFacts(cursor: Cursor, count: number): Map<string, GgufValue> {
  const facts = new Map<string, GgufValue>();
  for (let i = 0; i < count; i += 1) {
    const key = cursor.text('name of a metadata entry', MAX_NAME_BYTES);
    if (facts.has(key)) throw malformed(`${key} is there twice`);
    const type = cursor.uint32();
    facts.set(key, type === LIST_TYPE ? readList(cursor, key) : readValue(cursor, type, key));
  }
  return facts;
}

function readValue(cursor: Cursor, type: number, key: string): number | boolean | string {
  if (type === TEXT_TYPE) return cursor.text(`text of ${key}`, MAX_TEXT_BYTES);
  const scalar = Object.hasOwn(SCALARS, type) ? SCALARS[type] : undefined;
  if (scalar === undefined) throw malformed(`${key} has the unknown value type ${type}`);
  return scalar(cursor);
}

function readList(cursor: Cursor, key: string): (number | boolean | string)[] {
  const type = cursor.uint32();
  if (type === LIST_TYPE) throw malformed(`${key} is a list of lists`);
  const count = cursor.count(`number of items of ${key}`, MAX_ITEMS);
  cursor.countItems(count);
  const items: (number | boolean | string)[] = [];
  // The list grows with the bytes that were read, so a wrong count allocates nothing.
  for (let i = 0; i < count; i += 1) items.push(readValue(cursor, type, key));
  return items;
}

const SCALARS: Readonly<Record<number, (cursor: Cursor) => number | boolean>> = {
  0: (cursor) => cursor.view(1).getUint8(0),
  1: (cursor) => cursor.view(1).getInt8(0),
  2: (cursor) => cursor.view(2).getUint16(0, true),
  3: (cursor) => cursor.view(2).getInt16(0, true),
  4: (cursor) => cursor.view(4).getUint32(0, true),
  5: (cursor) => cursor.view(4).getInt32(0, true),
  6: (cursor) => cursor.view(4).getFloat32(0, true),
  7: (cursor) => cursor.view(1).getUint8(0) !== 0,
  10: (cursor) => Number(cursor.view(8).getBigUint64(0, true)),
  11: (cursor) => Number(cursor.view(8).getBigInt64(0, true)),
  12: (cursor) => cursor.view(8).getFloat64(0, true),
};

/** A tensor as the header lists it, with its offset from the start of all tensors. */
type Entry = Omit<GgufTensor, 'bytes'>;

function readEntry(cursor: Cursor): Entry {
  const name = cursor.text('name of a tensor', MAX_NAME_BYTES);
  const dimensions = cursor.uint32();
  if (dimensions < 1 || dimensions > MAX_DIMENSIONS)
    throw malformed(`${name} has ${dimensions} dimensions; 1 to ${MAX_DIMENSIONS} are allowed`);
  const shape = Array.from({ length: dimensions }, () =>
    cursor.count(`shape of ${name}`, Number.MAX_SAFE_INTEGER),
  ).reverse();
  const type = numberTypeOf(cursor.uint32(), name);
  return { name, type, shape, offset: cursor.count(`offset of ${name}`, Number.MAX_SAFE_INTEGER) };
}

function dataStart(cursor: Cursor, facts: ReadonlyMap<string, GgufValue>): number {
  const alignment = facts.get('general.alignment') ?? DEFAULT_ALIGNMENT;
  if (typeof alignment !== 'number' || !(alignment >= 8 && alignment <= MAX_ALIGNMENT))
    throw malformed(`general.alignment must be a number from 8 to ${MAX_ALIGNMENT}`);
  if (!Number.isInteger(Math.log2(alignment)))
    throw malformed('general.alignment is not a power of two');
  return Math.ceil(cursor.at / alignment) * alignment;
}

/** Checks that every tensor lies inside the file and that no two tensors overlap. */
function placed(
  entries: readonly Entry[],
  start: number,
  size: number,
): ReadonlyMap<string, GgufTensor> {
  const tensors = new Map<string, GgufTensor>();
  for (const entry of entries) {
    if (tensors.has(entry.name)) throw malformed(`${entry.name} is there twice`);
    const bytes = bytesOf(entry);
    const offset = start + entry.offset;
    if (!Number.isSafeInteger(bytes) || offset + bytes > size)
      throw malformed(`${entry.name} extends beyond the end of the file`);
    tensors.set(entry.name, { ...entry, offset, bytes });
  }
  const inOrder = [...tensors.values()].sort((a, b) => a.offset - b.offset);
  for (const [i, tensor] of inOrder.entries()) {
    const before = inOrder[i - 1];
    if (before !== undefined && before.offset + before.bytes > tensor.offset)
      throw malformed(`${before.name} and ${tensor.name} overlap`);
  }
  return tensors;
}

function bytesOf({ name, type, shape }: Entry): number {
  const columns = shape.at(-1) as number;
  if (columns % type.blockNumbers !== 0)
    throw malformed(
      `${name} has rows of ${columns} numbers, which is not a multiple of the ${type.blockNumbers} of ${type.name}`,
    );
  return (shape.reduce((product, n) => product * n, 1) / type.blockNumbers) * type.blockBytes;
}

/** Reads a header from its beginning. */
class Cursor {
  at = 0;
  #items = 0;
  readonly #bytes: Buffer;
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  view(length: number): DataView {
    const bytes = this.#take(length);
    return new DataView(bytes.buffer, bytes.byteOffset, length);
  }

  uint32(): number {
    return this.view(4).getUint32(0, true);
  }

  count(what: string, most: number): number {
    const value = this.view(8).getBigUint64(0, true);
    if (value > BigInt(most))
      throw malformed(`the ${what} is ${value}; at most ${most} is allowed`);
    return Number(value);
  }

  countItems(count: number): void {
    this.#items += count;
    if (this.#items > MAX_ITEMS)
      throw malformed(`its lists have more than ${MAX_ITEMS} items together`);
  }

  text(what: string, most: number): string {
    const bytes = this.#take(this.count(`length of the ${what}`, most));
    try {
      return this.#decoder.decode(bytes);
    } catch (cause) {
      throw new ModelError('malformed_gguf', `the ${what} is not valid UTF-8`, { cause });
    }
  }

  #take(length: number): Buffer {
    const end = this.at + length;
    if (end > this.#bytes.length)
      throw malformed(
        `the header does not end within the file, or within the ${MAX_HEADER_BYTES} bytes that are allowed`,
      );
    const bytes = this.#bytes.subarray(this.at, end);
    this.at = end;
    return bytes;
  }
}

const malformed = (why: string): ModelError =>
  new ModelError('malformed_gguf', `the file cannot be read as GGUF: ${why}`);
