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
  if (bits === 0)
    return `${numberAt('weights', type)}\nfn quad(row: u32, i: u32) -> vec4f { let at = row * ${width}u + i; return vec4f(weightsAt(at), weightsAt(at + 1u), weightsAt(at + 2u), weightsAt(at + 3u)); }`;
  return /* wgsl */ `
fn number(row: u32, i: u32) -> f32 {
  let bit = i * ${bits}u;
  let at = row * ${(width * bits) / 32}u + bit / 32u;
  let shift = bit % 32u;
  var q = weights[at] >> shift;
  if (shift + ${bits}u > 32u) { q |= weights[at + 1u] << (32u - shift); }
  return f32(q & ${2 ** bits - 1}u);
}
fn quad(row: u32, i: u32) -> vec4f {
  let g = (row * ${width}u + i) / ${group}u;
  return vec4f(number(row, i), number(row, i + 1u), number(row, i + 2u), number(row, i + 3u)) * scalesAt(g) + biasesAt(g);
}`;
}
