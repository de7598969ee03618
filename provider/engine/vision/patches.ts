import type { ImageSize, Pixels } from '../../images/scale-image.ts';
import type { VisionModel } from '../../models/vision/vision-model.ts';
import { numbersOfPatch, patchesOf, type VisionShape } from '../../models/vision/vision-shape.ts';

const COLOURS = 3;

/** The place of a patch in its image, counted in patches. */
export interface PatchPlace {
  readonly row: number;
  readonly column: number;
}

/**
 * The places of all patches of an image, token by token: those of a token's square follow one another,
 * row by row, and the squares follow one another in the same way.
 */
export function patchPlaces(
  { patch, pooled }: Pick<VisionShape, 'patch' | 'pooled'>,
  { width, height }: ImageSize,
): PatchPlace[] {
  const tokensAcross = width / patch / pooled;
  const count = (width / patch) * (height / patch);
  return Array.from({ length: count }, (_, index) => {
    const token = Math.floor(index / pooled ** 2);
    const within = index % pooled ** 2;
    return {
      row: Math.floor(token / tokensAcross) * pooled + Math.floor(within / pooled),
      column: (token % tokensAcross) * pooled + (within % pooled),
    };
  });
}

/**
 * The numbers of all patches, from -1 to 1, in the order of `patchPlaces`. Within a patch they have the
 * order of the weights that they are multiplied by.
 */
export function patchNumbers(
  pixels: Pixels,
  { shape, weights: { order } }: Pick<VisionModel, 'shape' | 'weights'>,
): Float32Array<ArrayBuffer> {
  const { patch, frames } = shape;
  const size = numbersOfPatch(shape);
  const numbers = new Float32Array(patchesOf(shape, pixels) * size);
  const ofPicture = patch * patch;
  for (const [index, { row, column }] of patchPlaces(shape, pixels).entries())
    for (let within = 0; within < ofPicture; within += 1) {
      const y = row * patch + Math.floor(within / patch);
      const x = column * patch + (within % patch);
      for (let colour = 0; colour < COLOURS; colour += 1) {
        const pixel = pixels.numbers[(y * pixels.width + x) * COLOURS + colour] as number;
        for (let frame = 0; frame < frames; frame += 1) {
          const at =
            order === 'pixels'
              ? (frame * ofPicture + within) * COLOURS + colour
              : (colour * frames + frame) * ofPicture + within;
          numbers[index * size + at] = (pixel / 255 - 0.5) / 0.5;
        }
      }
    }
  return numbers;
}
