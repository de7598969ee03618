import { expect, test } from 'vitest';
import { loadCpuVisionTowers } from '#native';
import { ImageDecoder } from '../../images/image-decoder.ts';
import type { VisionModel } from '../../models/vision/vision-model.ts';
import { expectedImageMs, loadNativeTower } from './native-tower.ts';
import { loadReferenceTower } from './reference-tower.ts';
import type { VisionTower } from './vision-tower.ts';
import { features, inlineImages, openVisionFixture } from './vision-under-test.ts';

const addon = loadCpuVisionTowers('cpu');
const why = addon.available ? undefined : addon.reason;

async function embeddingsBy(tower: VisionTower, side: number): Promise<Float32Array> {
  const decoder = new ImageDecoder();
  const all: number[] = [];
  for (const image of inlineImages()) {
    const pixels = await decoder.decode(image, { width: side, height: side, filter: 'bilinear' });
    all.push(...(await tower.embed(pixels)));
  }
  return Float32Array.from(all);
}

test.each([
  ['reference', (model: VisionModel) => loadReferenceTower(model)],
  ['cpu', (model: VisionModel) => loadNativeTower(model, { threads: 3 })],
] as const)('the tower %s makes the embeddings of transformers from files', async (name, load) => {
  if (name === 'cpu' && why !== undefined) return;
  const { vision } = await openVisionFixture();
  await using tower = await load(vision);
  if (tower === undefined) throw new Error('the tower was not loaded');
  const made = await embeddingsBy(tower, vision.shape.side);
  expect(made).toHaveLength(features.length);
  const worst = made.reduce(
    (most, value, i) => Math.max(most, Math.abs(value - (features[i] as number))),
    0,
  );
  expect(worst).toBeLessThan(2e-4);
});

test('a trial with few patches and one layer tells the time of an image', async () => {
  const { vision } = await openVisionFixture();
  const ms = await expectedImageMs(vision);
  expect(ms).toBeGreaterThan(0);
  const larger = { ...vision, shape: { ...vision.shape, layers: 3_000 } };
  expect(await expectedImageMs(larger)).toBeGreaterThan(10 * ms);
});
