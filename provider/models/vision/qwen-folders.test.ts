import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { visionFolder } from '../../engine/vision/vision-under-test.ts';
import type { FolderWithSignsUnderTest } from '../folder-with-signs-under-test.ts';
import type { JsonObject } from '../json.ts';
import { openModel } from '../model.ts';
import { createVisionFolder } from './vision-folder-under-test.ts';
import { bytesOfImage } from './vision-shape.ts';

type Change = Record<string, unknown>;

let folder: FolderWithSignsUnderTest;
beforeAll(async () => {
  folder = await createVisionFolder('qwen3-vl');
});
afterAll(() => folder[Symbol.asyncDispose]());

const original = async (name: string): Promise<JsonObject> =>
  JSON.parse(await readFile(join(visionFolder('qwen3-vl'), name), 'utf8'));
const write = (name: string, value: unknown) =>
  writeFile(join(folder.path, name), JSON.stringify(value));
beforeEach(async () => {
  for (const name of ['config.json', 'preprocessor_config.json'])
    await write(name, await original(name));
});

/** Replaces fields of `config.json`, or of an object in it. */
async function change(fields: Change, part?: string): Promise<void> {
  const config = await original('config.json');
  const changed =
    part === undefined
      ? { ...config, ...fields }
      : { ...config, [part]: { ...(config[part] as JsonObject), ...fields } };
  await write('config.json', changed);
}

test('the unchanged folder has a tower', async () => {
  const { vision, traits } = await openModel(folder.path);
  expect(vision?.shape.deepLayers).toEqual([0, 2]);
  expect(traits).toContain('vision');
});

describe('a tower is refused with the reason:', () => {
  test.each<[string, Change, RegExp]>([
    ['without a width', { hidden_size: null }, /vision_config.hidden_size must be a whole number/],
    ['of astronomic width', { hidden_size: 2 ** 40 }, /hidden_size must be .* 8192/],
    ['with patches of no size', { patch_size: 0 }, /patch_size must be a whole number from 1/],
    ['with tokens of no patches', { spatial_merge_size: 0 }, /spatial_merge_size must be/],
    ['with endless pictures', { temporal_patch_size: 1e9 }, /temporal_patch_size must be/],
    ['with a million layers', { depth: 1_000_000 }, /depth must be a whole number from 1 to 128/],
    ['with heads that rotate half pairs', { num_heads: 8 }, /multiple of four times num_heads, 8/],
    ['with a table that is no square', { num_position_embeddings: 35 }, /must be a square number/],
    ['for another decoder', { out_hidden_size: 128 }, /out_hidden_size is 128 but .* width 64/],
    ['of other colours', { in_channels: 4 }, /in_channels must be a whole number from 3 to 3/],
    ['with another activation', { hidden_act: 'silu' }, /hidden_act must be/],
    ['with a layer that it lacks', { deepstack_visual_indexes: [0, 3] }, /some of the 3 layers/],
    ['with layers in no order', { deepstack_visual_indexes: [2, 0] }, /in rising order/],
    ['with layers that are no numbers', { deepstack_visual_indexes: ['0'] }, /valid items/],
    [
      'with more layers for the decoder',
      { deepstack_visual_indexes: [0, 1, 2, 3] },
      /fewer layers/,
    ],
    ['with another table', { num_position_embeddings: 49 }, /pos_embed.weight is 36×16/],
    ['with other patches', { patch_size: 4 }, /patch_size must be a whole number from 4 to 4/],
  ])('%s', async (_, fields, reason) => {
    await change(fields, 'vision_config');
    await expect(openModel(folder.path)).rejects.toThrow(reason);
  });

  test.each<[string, Change, RegExp]>([
    ['sections for other pairs', { mrope_section: [6, 5, 6] }, /must divide 16 pairs in three/],
    ['two sections', { mrope_section: [8, 8] }, /must divide 16 pairs in three/],
    ['sections one after the other', { mrope_interleaved: false }, /in turn alone/],
  ])('%s', async (_, fields, reason) => {
    const about = (await original('config.json'))['text_config'] as JsonObject;
    const scaling = {
      ...(about['rope_scaling'] as JsonObject),
      mrope_section: [6, 5, 5],
      ...fields,
    };
    await change({ rope_scaling: scaling }, 'text_config');
    await expect(openModel(folder.path)).rejects.toThrow(reason);
  });

  test('a place of images that is no control token', async () => {
    await change({ image_token_id: 7 });
    await expect(openModel(folder.path)).rejects.toThrow(/image_token_id is no control token/);
  });
});

describe('a preparation of images is refused with the reason:', () => {
  const bounds = (shortest_edge: unknown, longest_edge: unknown) => ({
    size: { shortest_edge, longest_edge },
  });
  test.each<[string, Change, RegExp]>([
    ['other patches', { patch_size: 16 }, /preprocessor_config.json.patch_size must be .* 8 to 8/],
    ['other tokens', { merge_size: 4 }, /merge_size must be a whole number from 2 to 2/],
    ['another filter', { resample: 2 }, /resample must be a whole number from 3 to 3/],
    ['other colours', { image_mean: [0.48, 0.45, 0.4] }, /image_mean must be/],
    ['no colours', { image_std: null }, /image_std must be \[0.5, 0.5, 0.5\]/],
    ['no scaling', { do_resize: false }, /do_resize is off/],
    ['no bounds', { size: null }, /size is missing/],
    ['half a bound', bounds(1_024, null), /longest_edge must be a whole number/],
    ['negative bounds', bounds(-1, 1_024), /shortest_edge must be a whole number from 1/],
    ['astronomic bounds', bounds(2 ** 60, 2 ** 61), /shortest_edge must be a whole number/],
    ['exchanged bounds', bounds(4_096, 1_024), /least number of pixels, 4096, is above/],
    [
      'large least images',
      bounds(1_000_000, 2_000_000),
      /is above the largest one or above 262144/,
    ],
  ])('%s', async (_, fields, reason) => {
    await write('preprocessor_config.json', {
      ...(await original('preprocessor_config.json')),
      ...fields,
    });
    await expect(openModel(folder.path)).rejects.toThrow(reason);
  });

  test('none', async () => {
    await rm(join(folder.path, 'preprocessor_config.json'));
    await expect(openModel(folder.path)).rejects.toThrow(/preprocessor_config.json, which says/);
  });
});

test('the older names of the bounds count, and no image becomes larger than 4,096 tokens', async () => {
  await write('preprocessor_config.json', {
    ...(await original('preprocessor_config.json')),
    min_pixels: 1_024,
    max_pixels: 2 ** 24,
  });
  const { vision } = await openModel(folder.path);
  expect(vision?.shape.scaling).toEqual({
    kind: 'within',
    leastPixels: 1_024,
    mostPixels: 4_096 * 16 * 16,
  });
  // 16,384 patches with 9 · 16 + 24 + 2 · 384 numbers, and 4,096 tokens with 3 · 64.
  expect(vision && bytesOfImage(vision.shape)).toBe(4 * (16_384 * 936 + 4_096 * 192));
});
