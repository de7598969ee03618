import type { NumberType } from './number-types.ts';
import { numberTypeOf } from './number-types.ts';

type Fact = string | boolean | Int | Float | readonly string[] | readonly Int[];
interface Int {
  readonly int: number;
}
interface Float {
  readonly float: number;
}
export const int = (value: number): Int => ({ int: value });
export const float = (value: number): Float => ({ float: value });

export interface TensorUnderTest {
  /** Number of the format in GGUF files. */
  readonly type: number;
  /** Rows before columns. */
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

export type Facts = Readonly<Record<string, Fact>>;
export type TensorsUnderTest = Readonly<Record<string, TensorUnderTest>>;

const ALIGNMENT = 32;
const [U32, I32, F32, BOOL, STRING, ARRAY] = [4, 5, 6, 7, 8, 9];

export const u32 = (n: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(n);
  return bytes;
};
export const u64 = (n: number | bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(n));
  return bytes;
};
export const textBytes = (text: string): Buffer =>
  Buffer.concat([u64(Buffer.byteLength(text)), Buffer.from(text)]);

function valueBytes(value: Fact): { type: number; bytes: Buffer } {
  if (typeof value === 'string') return { type: STRING, bytes: textBytes(value) };
  if (typeof value === 'boolean') return { type: BOOL, bytes: Buffer.of(value ? 1 : 0) };
  if ('int' in value) return { type: U32, bytes: u32(value.int) };
  if ('float' in value) {
    const bytes = Buffer.alloc(4);
    bytes.writeFloatLE(value.float);
    return { type: F32, bytes };
  }
  const items = value.map((each) => valueBytes(each));
  const type = items[0]?.type ?? STRING;
  return {
    type: ARRAY,
    bytes: Buffer.concat([
      // llama.cpp writes the types of tokens with a sign, and reads no others.
      u32(type === U32 ? I32 : type),
      u64(items.length),
      ...items.map(({ bytes }) => bytes),
    ]),
  };
}

/** Returns the bytes of a GGUF file. */
export function ggufBytes(facts: Facts, tensors: TensorsUnderTest): Buffer {
  const listed = Object.entries(tensors);
  const parts: Uint8Array[] = [
    Buffer.from('GGUF'),
    u32(3),
    u64(listed.length),
    u64(Object.keys(facts).length),
  ];
  for (const [key, value] of Object.entries(facts)) {
    const { type, bytes } = valueBytes(value);
    parts.push(textBytes(key), u32(type), bytes);
  }
  let offset = 0;
  for (const [name, { shape, type, bytes }] of listed) {
    parts.push(textBytes(name), u32(shape.length), ...shape.toReversed().map(u64));
    parts.push(u32(type), u64(offset));
    offset += padded(bytes.length);
  }
  const header = Buffer.concat(parts);
  return Buffer.concat([
    header,
    Buffer.alloc(padded(header.length) - header.length),
    ...listed.flatMap(([, { bytes }]) => [
      bytes,
      Buffer.alloc(padded(bytes.length) - bytes.length),
    ]),
  ]);
}

const padded = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

/** A tensor with pseudo-random bytes, in which the 16-bit factors of blocks are small numbers. */
export function randomTensor(
  type: number,
  shape: readonly number[],
  seed: number,
): TensorUnderTest {
  const format = numberTypeOf(type, 'a random tensor');
  const numbers = shape.reduce((product, n) => product * n, 1);
  const bytes = new Uint8Array((numbers / format.blockNumbers) * format.blockBytes);
  let state = seed + 1;
  for (let i = 0; i < bytes.length; i += 1) {
    state = Math.imul(state, 1_664_525) + 1_013_904_223;
    bytes[i] = state >>> 24;
  }
  setFactors(new DataView(bytes.buffer), format);
  return { type, shape, bytes };
}

const FACTOR = 0.01;

function setFactors(view: DataView, { name, blockBytes, layout }: NumberType): void {
  for (let at = 0; at < view.byteLength; at += blockBytes) {
    if (layout === 'F32') view.setFloat32(at, view.getInt8(at) * FACTOR, true);
    else if (layout === 'F16') view.setFloat16(at, view.getInt8(at) * FACTOR, true);
    else if (layout === 'BF16') view.setUint16(at, 0x3c00 + view.getUint8(at), true);
    else {
      view.setFloat16(at + (name === 'Q6_K' ? blockBytes - 2 : 0), FACTOR / 16, true);
      if (/_1$|^Q[45]_K$/.test(name)) view.setFloat16(at + 2, FACTOR / 16, true);
    }
  }
}
