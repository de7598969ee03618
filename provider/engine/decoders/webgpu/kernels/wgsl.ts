import { MXFP4_NUMBERS } from '../../../../models/decoder-weights.ts';
import { type Format, isMxfp4 } from '../gpu-weights.ts';

/** The uniform with the counts of the step, which every kernel receives. */
export const STEP = /* wgsl */ `
struct Step { tokens: u32, outputs: u32, tableWidth: u32, slots: u32, decodeRows: u32, prefillRuns: u32, zero: u32 }
`;

/**
 * Defines `rounds(count)`, the number of rounds of a loop. A driver in software unrolls loops whose
 * number of rounds it knows, and then compiles attention for half a minute; so it must not know.
 */
export const roundsFor = ({ isSoftware }: { isSoftware: boolean }): string =>
  `fn rounds(count: u32) -> u32 { return count${isSoftware ? ' + step.zero' : ''}; }\n`;

/** Number of threads in a workgroup. */
export const THREADS = 32;

export const literal = (value: number): string =>
  Number.isInteger(value) ? `${value}.0` : String(value);

/**
 * Generates a function that reads a number from a buffer of 32-bit words; two 16-bit numbers or four
 * bytes share a word. A byte is the exponent of a power of two.
 */
export const numberAt = (name: string, type: Format['type']): string => {
  if (type === 'F32') return `fn ${name}At(i: u32) -> f32 { return bitcast<f32>(${name}[i]); }`;
  if (type === 'U8')
    return `fn ${name}At(i: u32) -> f32 { return bitcast<f32>(((${name}[i / 4u] >> (8u * (i % 4u))) & 255u) << 23u); }`;
  const read =
    type === 'F16'
      ? 'unpack2x16float(word)[i % 2u]'
      : 'bitcast<f32>(select(word << 16u, word & 0xffff0000u, i % 2u == 1u))';
  return `fn ${name}At(i: u32) -> f32 { let word = ${name}[i / 2u]; return ${read}; }`;
};

/** One read of the weights: four of them if they are not rounded, and otherwise a word of them. */
export const weightsType = ({ bits, type }: Format): string =>
  bits > 0 ? 'u32' : type === 'F32' ? 'vec4f' : 'vec2u';

/** Generates a function that returns four weights of a row from column i on, for any format. */
export function quadOf(format: Format, width: number): string {
  const { bits, group, type } = format;
  if (isMxfp4(format))
    return /* wgsl */ `
const numbers = array<f32, 16>(${MXFP4_NUMBERS.map(literal).join(', ')});
fn quad(row: u32, i: u32) -> vec4f {
  let at = row * ${width}u + i;
  let w = weights[at / 8u] >> (4u * (at % 8u));
  return vec4f(numbers[w & 15u], numbers[(w >> 4u) & 15u], numbers[(w >> 8u) & 15u], numbers[(w >> 12u) & 15u]) * scalesAt(at / ${group}u);
}`;
  if (bits === 0) {
    const four = {
      F32: 'w',
      F16: 'vec4f(unpack2x16float(w.x), unpack2x16float(w.y))',
      BF16: 'bitcast<vec4f>(vec4u(w.x << 16u, w.x & 0xffff0000u, w.y << 16u, w.y & 0xffff0000u))',
    };
    return `fn quad(row: u32, i: u32) -> vec4f { let w = weights[(row * ${width}u + i) / 4u]; return ${four[type as keyof typeof four]}; }`;
  }
  // Four weights begin in one word, and end in it or in the next one. They are read as one piece, because
  // a kernel that asks for each of them by itself takes drivers several times as long to compile.
  const inOneWord = 32 % (4 * bits) === 0;
  return /* wgsl */ `
fn quad(row: u32, i: u32) -> vec4f {
  let bit = i * ${bits}u;
  let at = row * ${(width * bits) / 32}u + bit / 32u;
  let shift = bit % 32u;
  var word = weights[at] >> shift;
  ${inOneWord ? '' : `if (shift > ${32 - 4 * bits}u) { word |= weights[at + 1u] << (32u - shift); }`}
  let four = (vec4u(word) >> vec4u(0u, ${bits}u, ${2 * bits}u, ${3 * bits}u)) & vec4u(${2 ** bits - 1}u);
  let g = (row * ${width}u + i) / ${group}u;
  return vec4f(four) * scalesAt(g) + biasesAt(g);
}`;
}
