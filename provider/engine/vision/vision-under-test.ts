import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type InlineImage, readInlineImages } from '#http-api/core/images/inline-image.ts';
import { type DecoderModel, openDecoderAlone } from '../../models/model.ts';
import type { VisionModel } from '../../models/vision/vision-model.ts';
import { numbersOfToken } from '../../models/vision/vision-shape.ts';
import type { Grid, PlacedImage } from '../decoders/step.ts';

/**
 * Small models with vision towers and random weights, and what transformers computes with them for a
 * prompt with two images (`make_vision.py`, `make_vision_qwen.py` and `make_vision_gemma4.py` in
 * `fixtures/`).
 */
export const visionFixtures = [
  'gemma3-vision',
  'qwen3-vl',
  'qwen3-vl-moe',
  'qwen3-5-vision',
  'qwen3-5-moe-vision',
  'gemma4-vision',
  'gemma4-vision-whole',
] as const;
export type VisionFixtureName = (typeof visionFixtures)[number];

export const visionFolder = (name: VisionFixtureName): string =>
  join(import.meta.dirname, '../fixtures', name);

const expectedOf = (name: VisionFixtureName) =>
  JSON.parse(readFileSync(join(visionFolder(name), 'expected.json'), 'utf8'));
const files: Record<string, { file: string }> = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../images/fixtures/images.json'), 'utf8'),
);
const numbers = (text: string) =>
  new Float32Array(Uint8Array.from(Buffer.from(text, 'base64')).buffer);

/** The images of all fixtures. The file of the second one says that it is turned by a quarter. */
export const imageUris = ['jpeg', 'turned jpeg'].map(
  (name) => `data:image/jpeg;base64,${files[name]?.file ?? ''}`,
);
export const inlineImages = (): InlineImage[] => readInlineImages(imageUris);

interface VisionFixture {
  readonly model: DecoderModel;
  readonly vision: VisionModel;
  /** The tokens that the decoder gets. */
  readonly prompt: readonly number[];
  readonly greedy: readonly number[];
  /** The numbers of the tokens of all images. */
  readonly features: Float32Array;
  /** The logits of the last tokens of the prompt. */
  readonly logits: Float32Array;
  /** The images of the prompt with the embeddings that transformers computes. */
  readonly images: readonly [PlacedImage, PlacedImage];
}

const IMAGE_PLACE = 502;

export async function openVisionFixture(name: VisionFixtureName): Promise<VisionFixture> {
  const model = await openDecoderAlone(visionFolder(name));
  const { vision } = model;
  if (vision === undefined) throw new Error('the fixture has no vision tower');
  const { prompt, greedy, grids, isWhole, seen, ...expected } = expectedOf(name);
  const features = numbers(expected.features);
  const isPlace = (token: number) => token === IMAGE_PLACE;
  const [first, last] = [prompt.findIndex(isPlace), prompt.findLastIndex(isPlace)];
  const tokens = prompt.filter(isPlace).length / imageUris.length;
  const imageAt = (at: number, index: number): PlacedImage => {
    const [rows, columns] = grids?.[index] ?? [];
    const grid: Grid | undefined = grids && { rows, columns };
    const size = tokens * numbersOfToken(vision.shape);
    return {
      at,
      tokens,
      digest: imageUris[index] as string,
      embeddings: features.slice(index * size, (index + 1) * size),
      isWhole: isWhole ?? grid === undefined,
      ...(grid && { grid }),
    };
  };
  return {
    model,
    vision,
    prompt: seen ?? prompt,
    greedy,
    features,
    logits: numbers(expected.logits),
    images: [imageAt(first, 0), imageAt(last + 1 - tokens, 1)],
  };
}
