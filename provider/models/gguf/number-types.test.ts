import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { convertRows, type ScaleType } from './convert-rows.ts';
import { GROUP, numberTypeOf } from './number-types.ts';

/** Random blocks, and the numbers that llama.cpp's own reader has for them (fixtures/make.py). */
const blocks: Readonly<Record<string, { id: number; blocks: string; numbers: string }>> =
  JSON.parse(readFileSync(new URL('./fixtures/blocks.json', import.meta.url), 'utf8'));
const bytesOf = (text: string) => Uint8Array.from(Buffer.from(text, 'base64'));

/** Reads MLX's form as its documentation defines it: value · scale + bias, values packed without gaps. */
function numbersOf(id: number, bytes: Uint8Array, scaleType: ScaleType): Float32Array {
  const type = numberTypeOf(id, 'blocks');
  if (typeof type.layout === 'string') throw new Error(`${type.name} is not quantized`);
  const { bits } = type.layout;
  const { weight, scales, biases } = convertRows(bytes, { type, scaleType });
  const floats = (part: Uint8Array = new Uint8Array()) =>
    scaleType === 'F32'
      ? new Float32Array(part.slice().buffer)
      : Float32Array.from(new Float16Array(part.slice().buffer));
  const [scale, bias] = [floats(scales), floats(biases)];
  const stream = weight.reduceRight((word, byte) => (word << 8n) | BigInt(byte), 0n);
  return Float32Array.from({ length: scale.length * GROUP }, (_, i) => {
    const value = Number((stream >> BigInt(i * bits)) & ((1n << BigInt(bits)) - 1n));
    const group = Math.floor(i / GROUP);
    return value * (scale[group] as number) + (bias[group] as number);
  });
}

const largest = (numbers: Float32Array): number =>
  numbers.reduce((most, each) => Math.max(most, Math.abs(each)), 0);

function furthest(name: string, scaleType: ScaleType): number {
  const { id, blocks: stored, numbers } = blocks[name] as (typeof blocks)[string];
  const wanted = new Float32Array(bytesOf(numbers).buffer);
  const found = numbersOf(id, bytesOf(stored), scaleType);
  expect(found.length).toBe(wanted.length);
  return largest(found.map((each, i) => each - (wanted[i] as number))) / largest(wanted);
}

describe('a block of GGUF has the numbers of llama.cpp', () => {
  test.each(['Q4_0', 'Q5_0', 'Q8_0'])('%s, every number the same', (name) =>
    expect(furthest(name, 'F16')).toBe(0),
  );

  // llama.cpp adds in 32 bits, this test in 64 before it rounds.
  test.each(['Q4_1', 'Q5_1'])('%s, up to the rounding of one addition', (name) =>
    expect(furthest(name, 'F16')).toBeLessThan(2 ** -23),
  );

  test.each(['Q4_K', 'Q5_K'])('%s, up to the rounding of its scales to 16 bits', (name) => {
    expect(furthest(name, 'F32')).toBeLessThan(2 ** -22);
    expect(furthest(name, 'F16')).toBeLessThan(2 ** -10);
    expect(furthest(name, 'F16')).toBeGreaterThan(0);
  });

  test('Q6_K, up to half a step of 8 bits', () => {
    expect(furthest('Q6_K', 'F16')).toBeLessThan(0.51 / 127);
    expect(furthest('Q6_K', 'F16')).toBeGreaterThan(0);
  });

  test('with an unknown number of a format it is refused with the supported ones', () =>
    expect(() => numberTypeOf(10, 'blk.0.attn_q.weight')).toThrow(
      /blk\.0\.attn_q\.weight.*format 10.*Q4_K/,
    ));
});
