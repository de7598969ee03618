import { type BlockLayout, GROUP, type Groups, type NumberType } from './number-types.ts';

/** Number type of the scales that are written: F32 for models whose activations exceed 16 bits. */
export type ScaleType = 'F16' | 'F32';

/** The bytes of some rows in the form that MLX uses. */
export interface ConvertedRows {
  readonly weight: Uint8Array;
  readonly scales?: Uint8Array;
  readonly biases?: Uint8Array;
}

export function convertRows(
  bytes: Uint8Array,
  { type, scaleType }: { type: NumberType; scaleType: ScaleType },
): ConvertedRows {
  if (typeof type.layout === 'string') return { weight: bytes };
  const groups = unpack(bytes, type, type.layout);
  return {
    weight: pack(groups.values, type.layout.bits),
    scales: numbersAs(scaleType, groups.scales),
    biases: numbersAs(scaleType, groups.biases),
  };
}

function unpack(bytes: Uint8Array, type: NumberType, { unpack: read }: BlockLayout): Groups {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const blocks = bytes.length / type.blockBytes;
  const groupsOfBlock = type.blockNumbers / GROUP;
  const groups = {
    values: new Uint8Array(blocks * type.blockNumbers),
    scales: new Float32Array(blocks * groupsOfBlock),
    biases: new Float32Array(blocks * groupsOfBlock),
  };
  for (let block = 0; block < blocks; block += 1)
    read(view, block * type.blockBytes, groups, block * groupsOfBlock);
  return groups;
}

/** Packs values without gaps, the first one into the lowest bits. */
function pack(values: Uint8Array, bits: number): Uint8Array {
  if (bits === 8) return values;
  const packed = new Uint8Array((values.length * bits) / 8);
  let at = 0;
  let word = 0;
  let filled = 0;
  for (const value of values) {
    word |= value << filled;
    filled += bits;
    while (filled >= 8) {
      packed[at++] = word & 255;
      word >>>= 8;
      filled -= 8;
    }
  }
  return packed;
}

function numbersAs(type: ScaleType, numbers: Float32Array): Uint8Array {
  const typed = type === 'F16' ? Float16Array.from(numbers) : numbers;
  return new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength);
}

/**
 * Restores the order of rows. llama.cpp rotates neighbouring numbers of a head, and MLX those of its
 * two halves, so GGUF files of Llama models have the rows of the halves alternating.
 */
export function unturnRows(
  bytes: Uint8Array,
  { rowBytes, rowsOfHead }: { rowBytes: number; rowsOfHead: number },
): Uint8Array {
  const ordered = new Uint8Array(bytes.length);
  const half = rowsOfHead / 2;
  const rows = bytes.length / rowBytes;
  for (let row = 0; row < rows; row += 1) {
    const inHead = row % rowsOfHead;
    const from = row - inHead + (inHead % half) * 2 + Math.floor(inHead / half);
    ordered.set(bytes.subarray(from * rowBytes, (from + 1) * rowBytes), row * rowBytes);
  }
  return ordered;
}

/** Subtracts one from 32-bit numbers. */
export function minusOne(bytes: Uint8Array): Uint8Array {
  const numbers = new Float32Array(bytes.slice().buffer);
  return new Uint8Array(numbers.map((number) => number - 1).buffer);
}
