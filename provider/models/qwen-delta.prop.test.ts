import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rotationOrder } from './chosen-rows.ts';
import type { JsonObject } from './json.ts';
import { openDecoderAlone } from './model.ts';
import { ModelError } from './model-error.ts';
import { withValueAt } from './model-folder-under-test.ts';

const FIXTURE = fileURLToPath(new URL('../engine/fixtures/qwen3-5-moe-published', import.meta.url));

let path: string;
let config: string;

beforeAll(async () => {
  path = await mkdtemp(join(tmpdir(), 'dinf-qwen-'));
  await cp(FIXTURE, path, { recursive: true });
  config = await readFile(join(path, 'config.json'), 'utf8');
});
afterAll(() => rm(path, { recursive: true }));

/** Opens the model with a changed configuration. Returns `opened` or the error. */
async function opened(changed: JsonObject): Promise<string> {
  await writeFile(join(path, 'config.json'), JSON.stringify(changed));
  try {
    await openDecoderAlone(path);
    return 'opened';
  } catch (error) {
    if (error instanceof ModelError) return error.message;
    throw error;
  }
}

describe('a configuration of Qwen 3.5 is refused with the reason:', () => {
  const wrong: [string, JsonObject, RegExp][] = [
    ['heads that do not divide', { linear_num_value_heads: 3 }, /multiple of linear_num_key_heads/],
    ['no convolution', { linear_conv_kernel_dim: 1 }, /linear_conv_kernel_dim must be a whole/],
    ['heads of size zero', { linear_key_head_dim: 0 }, /linear_key_head_dim must be a whole/],
    ['another number of heads', { linear_num_key_heads: 4 }, /wrong_shape: .*in_proj_qkv/],
    [
      'an unknown kind of layer',
      { layer_types: Array(3).fill('sliding_attention') },
      /layer_types/,
    ],
    ['too few kinds of layers', { layer_types: ['full_attention'] }, /layer_types has 1 items/],
    [
      'no layer with attention',
      { layer_types: Array(3).fill('linear_attention') },
      /a model without attention is not supported/,
    ],
    [
      'a rotation of an odd number of numbers',
      { rope_parameters: { rope_theta: 1e4, partial_rotary_factor: 0.1 } },
      /partial_rotary_factor rotates 3 of 32 numbers/,
    ],
    ['a gate that its weights do not have', { attn_output_gate: false }, /wrong_shape: .*q_proj/],
  ];
  test.each(wrong)('%s', async (_, fields, reason) => {
    const { text_config: text, ...outer } = JSON.parse(config);
    expect(await opened({ ...outer, text_config: { ...text, ...fields } })).toMatch(reason);
  });
});

test('with any change to its configuration, a model of Qwen 3.5 opens or is refused with a reason', async () => {
  const values = fc.oneof(
    fc.integer({ min: -2, max: 300 }),
    fc.double(),
    fc.constantFrom<unknown>(null, [], {}, '', 0, -1, 2 ** 31, 2 ** 53, 1e308, [1, 2]),
  );
  const steps = fc.array(fc.nat(10_000), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(steps, values, async (at, value) => {
      await opened(withValueAt(JSON.parse(config), at, value) as JsonObject);
    }),
    { numRuns: 60 },
  );
}, 180_000);

test('partial rotation pairs the numbers that a model pairs, and keeps every number once', () => {
  const sizes = fc.integer({ min: 1, max: 64 });
  fc.assert(
    fc.property(sizes, sizes, fc.boolean(), (half, part, pairsNeighbours) => {
      const [headDim, rotated] = [2 * half, 2 * Math.min(half, part)];
      const order = rotationOrder(headDim, { rotated, pairsNeighbours });
      const distance = pairsNeighbours ? 1 : rotated / 2;
      expect([...order].sort((a, b) => a - b)).toEqual(Array.from(order.keys()));
      for (let pair = 0; pair < half; pair += 1) {
        const isRotated = pair < rotated / 2;
        expect((order[pair] as number) < rotated).toBe(isRotated);
        if (isRotated) expect(order[half + pair]).toBe((order[pair] as number) + distance);
      }
    }),
  );
});
