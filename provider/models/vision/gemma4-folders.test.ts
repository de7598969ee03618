import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  openVisionFixture,
  type VisionFixtureName,
  visionFolder,
} from '../../engine/vision/vision-under-test.ts';
import type { FolderWithSignsUnderTest } from '../folder-with-signs-under-test.ts';
import type { JsonObject } from '../json.ts';
import { openModel } from '../model.ts';
import { createVisionFolder } from './vision-folder-under-test.ts';
import { bytesOfImage, tokensOfImage } from './vision-shape.ts';

type Change = Record<string, unknown>;

const [SMALL, LARGE] = ['gemma4-vision', 'gemma4-vision-whole'] as const;

let folder: FolderWithSignsUnderTest;
beforeAll(async () => {
  folder = await createVisionFolder(SMALL);
});
afterAll(() => folder[Symbol.asyncDispose]());

const original = async (
  name: string,
  of: VisionFixtureName = SMALL,
): Promise<Record<string, JsonObject>> =>
  JSON.parse(await readFile(join(visionFolder(of), name), 'utf8'));
const write = (name: string, value: unknown) =>
  writeFile(join(folder.path, name), JSON.stringify(value));
beforeEach(async () => {
  for (const name of ['config.json', 'processor_config.json'])
    await write(name, await original(name));
});

/** Replaces fields of an object in a file. */
async function change(name: string, part: string, fields: Change): Promise<void> {
  const file = await original(name);
  await write(name, { ...file, [part]: { ...file[part], ...fields } });
}

test('the unchanged folders have towers', async () => {
  const { vision, traits } = await openModel(folder.path);
  expect(traits).toContain('vision');
  expect(vision?.shape).toMatchObject({
    ropeTheta: 100,
    positionsAcross: 256,
    scaling: { kind: 'budget', tokens: 70 },
    gated: { headDim: 16, clips: true, standardises: false, isWhole: false },
  });
  const large = await openVisionFixture(LARGE);
  expect(large.vision.shape.gated).toEqual({
    headDim: 12,
    clips: false,
    standardises: true,
    isWhole: true,
  });
});

describe('a tower is refused with the reason:', () => {
  test.each<[string, Change, RegExp]>([
    ['without a width', { hidden_size: null }, /vision_config.hidden_size must be a whole number/],
    ['of astronomic width', { hidden_size: 2 ** 40 }, /hidden_size must be .* 8192/],
    ['with patches of no size', { patch_size: 0 }, /patch_size must be a whole number from 1/],
    ['with tokens of no patches', { pooling_kernel_size: 0 }, /pooling_kernel_size must be/],
    ['with a million layers', { num_hidden_layers: 1e6 }, /num_hidden_layers must be .* to 128/],
    ['with a layer that the file lacks', { num_hidden_layers: 4 }, /encoder.layers.3/],
    [
      'with heads that rotate half pairs',
      { head_dim: 18 },
      /head_dim is 18 but must be a multiple/,
    ],
    ['with heads of another size', { head_dim: 12 }, /q_proj.linear.weight is 32×24/],
    ['with shared keys', { num_key_value_heads: 1 }, /num_key_value_heads must be .* 2 to 2/],
    ['with few positions', { position_embedding_size: 209 }, /is 209 but an image may have 210/],
    ['with other positions', { position_embedding_size: 512 }, /position_embedding_table is 2×256/],
    ['with another activation', { hidden_activation: 'silu' }, /hidden_activation must be/],
    ['with biases', { attention_bias: true }, /attention_bias is not supported/],
    ['with another rotation', { rope_parameters: { rope_type: 'yarn' } }, /rope_type must be/],
    [
      'with no rotation',
      { rope_parameters: { rope_theta: 0 } },
      /rope_theta must be a number from 1/,
    ],
    ['with a negative norm', { rms_norm_eps: -1 }, /rms_norm_eps must be a number/],
    ['with averages that it lacks', { standardize: true }, /std_bias/],
    ['with other patches', { patch_size: 8 }, /patch_size must be a whole number from 8 to 8/],
  ])('%s', async (_, fields, reason) => {
    await change('config.json', 'vision_config', fields);
    await expect(openModel(folder.path)).rejects.toThrow(reason);
  });

  test('in a decoder with a window that is smaller than an image', async () => {
    // The windows of this decoder have 16 tokens, which is too few if an image is seen whole.
    await change('config.json', 'text_config', { use_bidirectional_attention: 'vision' });
    await expect(openModel(folder.path)).rejects.toThrow(/fewer tokens than an image, 70/);
  });

  test.each<[string, RegExp]>([
    ['image_token_id', /image_token_id is no control token/],
    ['boi_token_id', /boi_token_id is no control token/],
    ['eoi_token_id', /eoi_token_id is no control token/],
  ])('with a %s that is no control token', async (field, reason) => {
    await write('config.json', { ...(await original('config.json')), [field]: 7 });
    await expect(openModel(folder.path)).rejects.toThrow(reason);
  });

  test('with padding outside of the vocabulary', async () => {
    await change('config.json', 'text_config', { pad_token_id: 512 });
    await expect(openModel(folder.path)).rejects.toThrow(/pad_token_id must be .* 0 to 511/);
  });
});

describe('a preparation of images is refused with the reason:', () => {
  test.each<[string, Change, RegExp]>([
    ['other patches', { patch_size: 16 }, /image_processor.patch_size must be .* 4 to 4/],
    ['other tokens', { pooling_kernel_size: 2 }, /pooling_kernel_size must be .* 3 to 3/],
    ['another filter', { resample: 2 }, /resample must be a whole number from 3 to 3/],
    ['normalised colours', { do_normalize: true }, /normalises their colours/],
    ['no scaling', { do_resize: false }, /does not scale them/],
    ['colours from 0 to 255', { do_rescale: false }, /does not scale them/],
    ['other numbers of colours', { rescale_factor: 1 }, /rescale_factor must be a number/],
    ['a number that is not trained', { max_soft_tokens: 100 }, /images of 100 tokens/],
    ['astronomic images', { max_soft_tokens: 2 ** 40 }, /max_soft_tokens must be .* 1120/],
    ['no number', { max_soft_tokens: 'all' }, /max_soft_tokens must be a whole number/],
  ])('%s', async (_, fields, reason) => {
    await change('processor_config.json', 'image_processor', fields);
    await expect(openModel(folder.path)).rejects.toThrow(reason);
  });
});

test('the number of tokens is that of the newest file that names one, and at most 280', async () => {
  const tokens = async () => (await openModel(folder.path)).vision?.shape.scaling;
  await change('config.json', 'vision_config', { position_embedding_size: 256 });
  await rm(join(folder.path, 'processor_config.json'));
  expect(await tokens()).toEqual({ kind: 'budget', tokens: 70 });
  await write('preprocessor_config.json', { max_soft_tokens: 140 });
  // 140 tokens in one row would need 420 positions.
  await expect(tokens()).rejects.toThrow(/an image may have 420 patches/);
  await write('processor_config.json', { image_processor: { max_soft_tokens: 70 } });
  expect(await tokens()).toEqual({ kind: 'budget', tokens: 70 });
  await write('processor_config.json', { image_processor: { max_soft_tokens: 1_120 } });
  await expect(tokens()).rejects.toThrow(/an image may have 840 patches/);
  await rm(join(folder.path, 'preprocessor_config.json'));
});

test('the tokens of an image follow from its size, and the memory from the most tokens', async () => {
  const { vision } = await openVisionFixture(LARGE);
  expect(tokensOfImage(vision.shape, { width: 1_000, height: 1_000 })).toBe(64);
  expect(tokensOfImage(vision.shape, { width: 100, height: 10 })).toBe(26 * 2);
  expect(tokensOfImage(vision.shape, { width: 1, height: 16_000 })).toBe(70);
  // 630 patches with 4 · 32 + 5 · 24 + 3 · 40 + 2 · 48 numbers, and 70 tokens with 64.
  expect(bytesOfImage(vision.shape)).toBe(4 * (630 * 464 + 70 * 64));
});

test('a tower whose matrices are quantized is not read, and the model reads text', async () => {
  const path = join(folder.path, 'model.safetensors');
  const file = await readFile(path);
  const size = Number(file.readBigUInt64LE(0));
  const header = file.toString('utf8', 8, 8 + size);
  const renamed = header.replace(
    '"model.vision_tower.encoder.layers.0.input_layernorm.weight"',
    '"model.vision_tower.encoder.layers.0.a_quantized_mat.scales"',
  );
  expect(renamed).not.toBe(header);
  await writeFile(
    path,
    Buffer.concat([file.subarray(0, 8), Buffer.from(renamed), file.subarray(8 + size)]),
  );
  try {
    const { vision, traits } = await openModel(folder.path);
    expect(vision).toBeUndefined();
    expect(traits).not.toContain('vision');
  } finally {
    await writeFile(path, file);
  }
});
