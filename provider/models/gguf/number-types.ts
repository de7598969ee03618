import { ModelError } from '../model-error.ts';

/** Numbers that share one scale and one bias in the formats below, and in what is written for MLX. */
export const GROUP = 32;

/**
 * A piece of a quantized matrix in the form that MLX uses: number = value · scale + bias, with one
 * scale and bias for each group of 32 numbers.
 */
export interface Groups {
  readonly values: Uint8Array;
  readonly scales: Float32Array;
  readonly biases: Float32Array;
}

/** Reads the block at byte `at` and writes its numbers from the group `group` on. */
type Unpack = (bytes: DataView, at: number, into: Groups, group: number) => void;

export interface BlockLayout {
  /** Bits of each value in the folder for MLX. */
  readonly bits: 4 | 5 | 8;
  readonly unpack: Unpack;
}

/** A format of numbers in GGUF files. The numbers of a row are stored in blocks of equal size. */
export interface NumberType {
  readonly name: string;
  readonly blockNumbers: number;
  readonly blockBytes: number;
  /** The type of plain numbers in a safetensors file, or how the blocks are read. */
  readonly layout: 'F32' | 'F16' | 'BF16' | BlockLayout;
}

/** Numbers in one block of the formats whose name ends in K. */
const SUPER_BLOCK = 256;

/**
 * The supported formats by their number in the file. All but those with K in their name are taken
 * over without rounding, because their groups of 32 are those of MLX. The scales of Q4_K and Q5_K
 * are products of 17 bits, which are rounded to the 11 bits of 16-bit numbers.
 */
const TYPES: Readonly<Record<number, NumberType>> = {
  0: { name: 'F32', blockNumbers: 1, blockBytes: 4, layout: 'F32' },
  1: { name: 'F16', blockNumbers: 1, blockBytes: 2, layout: 'F16' },
  30: { name: 'BF16', blockNumbers: 1, blockBytes: 2, layout: 'BF16' },
  2: quantized('Q4_0', GROUP, 18, { bits: 4, unpack: unpackQ40 }),
  3: quantized('Q4_1', GROUP, 20, { bits: 4, unpack: unpackQ41 }),
  6: quantized('Q5_0', GROUP, 22, { bits: 5, unpack: unpackQ50 }),
  7: quantized('Q5_1', GROUP, 24, { bits: 5, unpack: unpackQ51 }),
  8: quantized('Q8_0', GROUP, 34, { bits: 8, unpack: unpackQ80 }),
  12: quantized('Q4_K', SUPER_BLOCK, 144, { bits: 4, unpack: unpackQ4K }),
  13: quantized('Q5_K', SUPER_BLOCK, 176, { bits: 5, unpack: unpackQ5K }),
  14: quantized('Q6_K', SUPER_BLOCK, 210, { bits: 8, unpack: unpackQ6K }),
};

export function numberTypeOf(id: number, tensor: string): NumberType {
  const type = Object.hasOwn(TYPES, id) ? TYPES[id] : undefined;
  if (type === undefined)
    throw new ModelError(
      'unsupported_architecture',
      `${tensor} has the number format ${id} of GGUF; supported are ${Object.values(TYPES)
        .map(({ name }) => name)
        .join(', ')}`,
    );
  return type;
}

function quantized(
  name: string,
  blockNumbers: number,
  blockBytes: number,
  layout: BlockLayout,
): NumberType {
  return { name, blockNumbers, blockBytes, layout };
}

/** Writes 32 values of 4 bits: the low halves of 16 bytes, and then the high halves. */
function writeNibbles(bytes: DataView, at: number, values: Uint8Array, to: number): void {
  for (let i = 0; i < 16; i += 1) {
    const byte = bytes.getUint8(at + i);
    values[to + i] = byte & 15;
    values[to + 16 + i] = byte >> 4;
  }
}

/** Adds a fifth bit to 32 values, from the bits of a 32-bit word. */
function addFifthBits(word: number, values: Uint8Array, to: number): void {
  for (let i = 0; i < GROUP; i += 1)
    values[to + i] = (values[to + i] as number) | (((word >>> i) & 1) << 4);
}

function unpackQ40(bytes: DataView, at: number, into: Groups, group: number): void {
  const scale = bytes.getFloat16(at, true);
  into.scales[group] = scale;
  into.biases[group] = -8 * scale;
  writeNibbles(bytes, at + 2, into.values, group * GROUP);
}

function unpackQ41(bytes: DataView, at: number, into: Groups, group: number): void {
  into.scales[group] = bytes.getFloat16(at, true);
  into.biases[group] = bytes.getFloat16(at + 2, true);
  writeNibbles(bytes, at + 4, into.values, group * GROUP);
}

function unpackQ50(bytes: DataView, at: number, into: Groups, group: number): void {
  const scale = bytes.getFloat16(at, true);
  into.scales[group] = scale;
  into.biases[group] = -16 * scale;
  writeNibbles(bytes, at + 6, into.values, group * GROUP);
  addFifthBits(bytes.getUint32(at + 2, true), into.values, group * GROUP);
}

function unpackQ51(bytes: DataView, at: number, into: Groups, group: number): void {
  into.scales[group] = bytes.getFloat16(at, true);
  into.biases[group] = bytes.getFloat16(at + 2, true);
  writeNibbles(bytes, at + 8, into.values, group * GROUP);
  addFifthBits(bytes.getUint32(at + 4, true), into.values, group * GROUP);
}

function unpackQ80(bytes: DataView, at: number, into: Groups, group: number): void {
  const scale = bytes.getFloat16(at, true);
  into.scales[group] = scale;
  into.biases[group] = -128 * scale;
  for (let i = 0; i < GROUP; i += 1)
    into.values[group * GROUP + i] = bytes.getInt8(at + 2 + i) + 128;
}

/**
 * Writes the scales and biases of the eight groups of Q4_K and Q5_K. Each group has a scale and a
 * minimum of 6 bits, packed into 12 bytes, and the block has one factor for all scales and one for
 * all minima.
 */
function writeSixBitScales(bytes: DataView, at: number, into: Groups, group: number): void {
  const scale = bytes.getFloat16(at, true);
  const minimum = bytes.getFloat16(at + 2, true);
  const packed = (i: number): number => bytes.getUint8(at + 4 + i);
  for (let j = 0; j < 8; j += 1) {
    const s = j < 4 ? packed(j) & 63 : (packed(j + 4) & 15) | ((packed(j - 4) >> 6) << 4);
    const m = j < 4 ? packed(j + 4) & 63 : (packed(j + 4) >> 4) | ((packed(j) >> 6) << 4);
    into.scales[group + j] = scale * s;
    into.biases[group + j] = -minimum * m;
  }
}

/** Writes 256 values of 4 bits. Each 32 bytes hold one group in their low halves and the next one in their high halves. */
function writeNibblesOfPairs(bytes: DataView, at: number, values: Uint8Array, to: number): void {
  for (let pair = 0; pair < 4; pair += 1)
    for (let i = 0; i < GROUP; i += 1) {
      const byte = bytes.getUint8(at + pair * GROUP + i);
      values[to + pair * 2 * GROUP + i] = byte & 15;
      values[to + (pair * 2 + 1) * GROUP + i] = byte >> 4;
    }
}

function unpackQ4K(bytes: DataView, at: number, into: Groups, group: number): void {
  writeSixBitScales(bytes, at, into, group);
  writeNibblesOfPairs(bytes, at + 16, into.values, group * GROUP);
}

function unpackQ5K(bytes: DataView, at: number, into: Groups, group: number): void {
  writeSixBitScales(bytes, at, into, group);
  writeNibblesOfPairs(bytes, at + 48, into.values, group * GROUP);
  for (let i = 0; i < SUPER_BLOCK; i += 1) {
    const fifth = (bytes.getUint8(at + 16 + (i % GROUP)) >> Math.floor(i / GROUP)) & 1;
    const place = group * GROUP + i;
    into.values[place] = (into.values[place] as number) | (fifth << 4);
  }
}

/**
 * Q6_K has groups of 16, which MLX does not have. Each 32 numbers become one group of 8 bits, with
 * zero kept exactly. Its steps are a quarter of those of the coarser of the two groups, or finer.
 */
function unpackQ6K(bytes: DataView, at: number, into: Groups, group: number): void {
  const numbers = numbersOfQ6K(bytes, at);
  for (let g = 0; g < SUPER_BLOCK / GROUP; g += 1) {
    const part = numbers.subarray(g * GROUP, (g + 1) * GROUP);
    const largest = part.reduce((most, n) => Math.max(most, Math.abs(n)), 0);
    // The values must fit the scale as it will be stored.
    const scale = Math.f16round(largest / 127);
    into.scales[group + g] = scale;
    into.biases[group + g] = -128 * scale;
    for (let i = 0; i < GROUP; i += 1) {
      const value = scale === 0 ? 0 : Math.round((part[i] as number) / scale);
      into.values[(group + g) * GROUP + i] = Math.max(-128, Math.min(127, value)) + 128;
    }
  }
}

function numbersOfQ6K(bytes: DataView, at: number): Float32Array {
  const numbers = new Float32Array(SUPER_BLOCK);
  const scale = bytes.getFloat16(at + 208, true);
  for (let i = 0; i < SUPER_BLOCK; i += 1) {
    // Two halves of 128 numbers; in each, four quarters of 32 share the bytes of the low and of the
    // high bits.
    const half = i >> 7;
    const quarter = (i >> 5) & 3;
    const column = i & 31;
    const low = bytes.getUint8(at + half * 64 + (quarter & 1) * 32 + column);
    const high = bytes.getUint8(at + 128 + half * 32 + column) >> (2 * quarter);
    const value = (quarter < 2 ? low & 15 : low >> 4) | ((high & 3) << 4);
    numbers[i] = scale * bytes.getInt8(at + 192 + (i >> 4)) * (value - 32);
  }
  return numbers;
}
