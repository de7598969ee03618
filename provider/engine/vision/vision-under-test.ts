import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type InlineImage, readInlineImages } from '#http-api/core/images/inline-image.ts';
import { type DecoderModel, openDecoderAlone } from '../../models/model.ts';
import type { VisionModel } from '../../models/vision/vision-model.ts';
import type { PlacedImage } from '../decoders/step.ts';

/**
 * A small Gemma 3 with a vision tower and random weights, and what transformers computes with it for a
 * prompt with two images (`fixtures/make_vision.py`).
 */
export const VISION_FOLDER = join(import.meta.dirname, '../fixtures/gemma3-vision');

interface Expected {
  readonly images: readonly string[];
  readonly prompt: readonly number[];
  readonly greedy: readonly number[];
  readonly features: string;
  readonly logits: string;
}

const expected: Expected = JSON.parse(readFileSync(join(VISION_FOLDER, 'expected.json'), 'utf8'));
const files: Record<string, { file: string }> = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../images/fixtures/images.json'), 'utf8'),
);
const numbers = (text: string) =>
  new Float32Array(Uint8Array.from(Buffer.from(text, 'base64')).buffer);

export const { prompt, greedy } = expected;
export const imageUris = expected.images.map(
  (name) => `data:image/jpeg;base64,${files[name]?.file ?? ''}`,
);
export const inlineImages = (): InlineImage[] => readInlineImages(imageUris);
/** The embeddings of the tokens of all images, and the logits of all tokens of the prompt. */
export const features = numbers(expected.features);
export const logits = numbers(expected.logits);

export async function openVisionFixture(): Promise<DecoderModel & { vision: VisionModel }> {
  const { vision, ...model } = await openDecoderAlone(VISION_FOLDER);
  if (vision === undefined) throw new Error('the fixture has no vision tower');
  return { ...model, vision };
}

const IMAGE_PLACE = 502;

/** The images of a prompt with the embeddings that transformers computes. */
export function placedImages(): PlacedImage[] {
  const tokens = prompt.filter((token) => token === IMAGE_PLACE).length / imageUris.length;
  const width = features.length / (tokens * imageUris.length);
  return imageUris.map((uri, index) => ({
    at: prompt.indexOf(IMAGE_PLACE) + index * (tokens + gapOf(tokens)),
    tokens,
    digest: uri,
    embeddings: features.slice(index * tokens * width, (index + 1) * tokens * width),
  }));
}

/** Number of tokens between two images. */
const gapOf = (tokens: number): number =>
  prompt.lastIndexOf(IMAGE_PLACE) + 1 - prompt.indexOf(IMAGE_PLACE) - 2 * tokens;
