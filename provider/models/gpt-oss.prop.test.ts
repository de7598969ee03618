import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { setting } from '#bus-schemas/settings/settings.ts';
import type { JsonObject } from './json.ts';
import { openDecoderAlone } from './model.ts';
import { ModelError } from './model-error.ts';
import { withValueAt } from './model-folder-under-test.ts';

const FIXTURE = fileURLToPath(new URL('../engine/fixtures/gpt-oss', import.meta.url));
const EXPERTS = 'model.layers.0.mlp.experts';
type Header = Record<string, { dtype: string; shape: number[]; data_offsets: number[] }>;

let path: string;
let config: string;
let weights: Buffer;

beforeAll(async () => {
  path = await mkdtemp(join(tmpdir(), 'dinf-gpt-oss-'));
  await cp(FIXTURE, path, { recursive: true });
  config = await readFile(join(path, 'config.json'), 'utf8');
  weights = await readFile(join(path, 'model.safetensors'));
});
afterAll(() => rm(path, { recursive: true }));

/** Opens the model with a changed configuration or changed weights. Returns `opened` or the error. */
async function opened(changed: { config?: JsonObject; weights?: Buffer }): Promise<string> {
  await writeFile(join(path, 'config.json'), JSON.stringify(changed.config ?? JSON.parse(config)));
  await writeFile(join(path, 'model.safetensors'), changed.weights ?? weights);
  try {
    await openDecoderAlone(path);
    return 'opened';
  } catch (error) {
    if (error instanceof ModelError) return error.message;
    throw error;
  }
}

function withHeader(change: (header: Header) => void): Buffer {
  const length = Number(weights.readBigUInt64LE(0));
  const header = JSON.parse(weights.subarray(8, 8 + length).toString('utf8')) as Header;
  change(header);
  const text = Buffer.from(JSON.stringify(header));
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([start, text, weights.subarray(8 + length)]);
}

test('the unchanged model opens', async () => {
  expect(await opened({})).toBe('opened');
});

describe('a configuration of gpt-oss is refused with the reason:', () => {
  const wrong: [string, JsonObject, RegExp][] = [
    ['rope_scaling is missing', { rope_scaling: null }, /rope_scaling must have the type yarn/],
    [
      'rope_scaling is of another type',
      { rope_scaling: { rope_type: 'linear', factor: 2 } },
      /rope_scaling must have the type yarn/,
    ],
    ['no experts', { num_local_experts: 0 }, /num_local_experts must be a whole number from 1/],
    [
      'more experts for a token than there are',
      { num_experts_per_tok: 9 },
      /num_experts_per_tok must be a whole number from 1 to 8/,
    ],
    ['an unknown kind of layer', { layer_types: Array(4).fill('linear_attention') }, /layer_types/],
    ['too few kinds of layers', { layer_types: ['full_attention'] }, /layer_types has 1 items/],
    ['a window of zero', { sliding_window: 0 }, /sliding_window must be a whole number from 1/],
    ['a negative limit', { swiglu_limit: -7 }, /swiglu_limit must be a number from 0.1/],
    ['heads that do not divide', { num_key_value_heads: 3 }, /must be a multiple of/],
    ['a hidden size that groups do not divide', { hidden_size: 80 }, /wrong_shape/],
    ['a width that groups do not divide', { intermediate_size: 72 }, /wrong_shape/],
    [
      'MXFP4 in other groups',
      { quantization: { bits: 4, group_size: 64, mode: 'mxfp4' } },
      /MXFP4 has 4 bits in groups of 32/,
    ],
    [
      'MXFP4 for another matrix than an expert',
      { quantization: { bits: 4, group_size: 32, mode: 'mxfp4' } },
      /is supported for the experts of gpt-oss alone/,
    ],
    [
      'no quantization',
      { quantization: null },
      /is quantized, but config.json has no quantization/,
    ],
  ];
  test.each(wrong)('%s', async (_, fields, reason) => {
    expect(await opened({ config: { ...JSON.parse(config), ...fields } })).toMatch(reason);
  });
});

describe('weights of gpt-oss are refused with the reason:', () => {
  test.each([
    'model.layers.1.self_attn.sinks',
    'model.layers.1.self_attn.o_proj.bias',
    'model.layers.2.mlp.router.bias',
    `${EXPERTS}.down_proj.bias`,
  ])('%s is missing', async (name) => {
    expect(await opened({ weights: withHeader((header) => void delete header[name]) })).toBe(
      `missing_weight: ${name}`,
    );
  });

  test('experts that are not quantized', async () => {
    const changed = withHeader((header) => {
      header[`${EXPERTS}.gate_up_proj`] = header[`${EXPERTS}.gate_proj.weight`] as Header[string];
      delete header[`${EXPERTS}.gate_proj.weight`];
    });
    expect(await opened({ weights: changed })).toMatch(/gate_up_proj is not quantized/);
  });

  test('a scale that is NaN', async () => {
    const changed = Buffer.from(weights);
    const length = Number(weights.readBigUInt64LE(0));
    const header = JSON.parse(weights.subarray(8, 8 + length).toString('utf8')) as Header;
    const { data_offsets: offsets } = header[`${EXPERTS}.up_proj.scales`] as Header[string];
    changed[8 + length + (offsets[0] as number) + 5] = 255;
    expect(await opened({ weights: changed })).toMatch(/not_finite.*up_proj.scales/);
  });
});

/** The test tries a fixed number of changes by default, and runs for a time under `npm run fuzz`. */
const FUZZ_MS = 1_000 * (setting('DINF_FUZZ_SECONDS') ?? 0);
const FEW_CHANGES = 60;

test(
  'with any change to its configuration or to a tensor, a model opens or is refused with a reason',
  async () => {
    let tried = 0;
    let last: Promise<unknown> = Promise.resolve();
    const values = fc.oneof(
      fc.integer({ min: -2, max: 300 }),
      fc.double(),
      fc.constantFrom<unknown>(null, [], {}, '', 0, -1, 2 ** 31, 2 ** 53, 1e308, 'U8', [1, 2]),
    );
    const steps = fc.array(fc.nat(10_000), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(fc.boolean(), steps, values, async (isConfig, at, value) => {
        last = opened(
          isConfig
            ? { config: withValueAt(JSON.parse(config), at, value) }
            : { weights: withHeader((header) => void withValueAt(header, at, value)) },
        );
        tried += 1;
        await last;
      }),
      FUZZ_MS === 0
        ? { numRuns: FEW_CHANGES }
        : {
            numRuns: 10_000_000,
            interruptAfterTimeLimit: FUZZ_MS,
            markInterruptAsFailure: false,
          },
    );
    // An interrupted run still uses the folder, which is removed after the test.
    await last;
    expect(tried).toBeGreaterThan(20);
  },
  FUZZ_MS + 180_000,
);
