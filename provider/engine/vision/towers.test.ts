import { describe, expect, test } from 'vitest';
import { loadCpuVisionTowers } from '#native';
import { ImageDecoder } from '../../images/image-decoder.ts';
import type { VisionModel } from '../../models/vision/vision-model.ts';
import { operationsOf, scaledFor, standingOf } from '../../models/vision/vision-shape.ts';
import { loadNativeTower, msPerOperation, usualOperations, whyNoTower } from './native-tower.ts';
import { loadReferenceTower } from './reference-tower.ts';
import type { VisionTower } from './vision-tower.ts';
import { inlineImages, openVisionFixture, visionFixtures } from './vision-under-test.ts';

const addon = loadCpuVisionTowers('cpu');
const why = addon.available ? '' : ` (${addon.reason})`;
const loaders = {
  reference: loadReferenceTower,
  cpu: async (model: VisionModel) => (await loadNativeTower(model, { threads: 3 })) as VisionTower,
};

const scaledImages = ({ shape }: VisionModel) => {
  const decoder = new ImageDecoder();
  return Promise.all(inlineImages().map((image) => decoder.decode(image, scaledFor(shape, image))));
};

describe.each(visionFixtures)('the tower of %s', (name) => {
  test.each(['reference', 'cpu'] as const)(
    'on %s makes the numbers of transformers from files',
    async (by) => {
      if (by === 'cpu' && why !== '') return;
      const { vision, features } = await openVisionFixture(name);
      await using tower = await loaders[by](vision);
      const made: number[] = [];
      for (const pixels of await scaledImages(vision)) made.push(...(await tower.embed(pixels)));
      expect(made).toHaveLength(features.length);
      const worst = made.reduce(
        (most, value, i) => Math.max(most, Math.abs(value - (features[i] as number))),
        0,
      );
      expect(worst).toBeLessThan(2e-4);
    },
  );

  test('places the tokens of a turned image as they are seen', async () => {
    const { vision, images } = await openVisionFixture(name);
    const standings = (await scaledImages(vision)).map((pixels) =>
      standingOf(vision.shape, pixels),
    );
    expect(standings).toEqual(
      images.map(({ isWhole, grid }) => ({ isWhole, ...(grid && { grid }) })),
    );
  });

  test('tells by a trial with few patches and one layer the time of an image', async () => {
    const { vision } = await openVisionFixture(name);
    const ms = await msPerOperation(vision);
    expect(ms).toBeGreaterThan(0);
    const { shape } = vision;
    const larger = { ...vision, shape: { ...shape, layers: 3_000 } };
    expect(usualOperations(larger)).toBeGreaterThan(100 * usualOperations(vision));
    const size = { width: 2 * shape.patch * shape.pooled, height: shape.patch * shape.pooled };
    expect(operationsOf(shape, size)).toBeGreaterThan(0);
  });
});

test.skipIf(why !== '')(
  `the addon refuses images that are not divided into tokens${why}`,
  async () => {
    const { vision } = await openVisionFixture('qwen3-vl');
    await using tower = await loaders.cpu(vision);
    const { patch, pooled } = vision.shape;
    for (const [width, height] of [
      [patch * (pooled + 1), patch * pooled],
      [patch * pooled * 200, patch * pooled * 200],
      [0, patch * pooled],
    ] as const) {
      const pixels = { width, height, numbers: new Uint8Array(3 * width * height) };
      await expect(tower.embed(pixels)).rejects.toMatchObject({ code: 'invalid_step' });
    }
  },
);

test('a computer without the addon computes very small towers alone, and says why', async () => {
  const { vision } = await openVisionFixture('qwen3-vl');
  const missing = { available: false, reason: 'no compiler' } as const;
  expect(whyNoTower(vision, missing)).toBeUndefined();
  expect(whyNoTower({ size: 5e6 }, missing)).toBe('no compiler');
  expect(whyNoTower({ size: 5e6 }, { available: true })).toBeUndefined();
});
