import type { VisionModel } from '../../models/vision/vision-model.ts';
import type { VisionShape } from '../../models/vision/vision-shape.ts';

/** The vision tower of a model in memory. It computes one image at a time; further ones wait. */
export interface VisionTower extends AsyncDisposable {
  /** Name of the implementation, for the log. */
  readonly name: string;
  /**
   * Computes the embeddings of an image, one token after the other, from its pixels in the size of
   * the tower, with 8 bits for red, green and blue.
   */
  embed(pixels: Uint8Array): Promise<Float32Array<ArrayBuffer>>;
}

const COLOURS = 3;

/**
 * The numbers of all patches, from -1 to 1, row by row of the image. Within a patch they have the order
 * of the weights that they are multiplied by.
 */
export function patchNumbers(
  pixels: Uint8Array,
  { shape, weights: { order } }: Pick<VisionModel, 'shape' | 'weights'>,
): Float32Array<ArrayBuffer> {
  const { side, patch } = shape;
  const across = side / patch;
  const size = numbersOfPatch(shape);
  const numbers = new Float32Array(across * across * size);
  for (let y = 0; y < side; y += 1)
    for (let x = 0; x < side; x += 1) {
      const start = (Math.floor(y / patch) * across + Math.floor(x / patch)) * size;
      const within = (y % patch) * patch + (x % patch);
      for (let colour = 0; colour < COLOURS; colour += 1) {
        const at = order === 'pixels' ? within * COLOURS + colour : colour * patch * patch + within;
        numbers[start + at] =
          ((pixels[(y * side + x) * COLOURS + colour] as number) / 255 - 0.5) / 0.5;
      }
    }
  return numbers;
}

export const numbersOfPatch = ({ patch }: VisionShape): number => COLOURS * patch * patch;
