import { UnusableImage } from '#http-api/core/images/inline-image.ts';
import type { ImageSize } from '../../images/scale-image.ts';

interface Bounds {
  readonly leastPixels: number;
  readonly mostPixels: number;
  /** Both sides become multiples of it. */
  readonly step: number;
}

/** Largest ratio of two sides with which the models were trained. */
const MOST_RATIO = 200;

/**
 * Returns the size next to that of an image whose sides are multiples of a step and whose pixels are
 * within bounds, as `smart_resize` of Qwen does. An upright image gets the exchanged sides of a flat
 * one. Throws UnusableImage for extreme proportions.
 */
export function smartSize(
  { width, height }: ImageSize,
  { leastPixels, mostPixels, step }: Bounds,
): ImageSize {
  if (Math.max(width, height) / Math.min(width, height) > MOST_RATIO)
    throw new UnusableImage(
      'unreadable',
      `An image has ${width}×${height} pixels; this model reads none with a side more than ${MOST_RATIO} times as long as the other.`,
    );
  const near = { width: rounded(width / step) * step, height: rounded(height / step) * step };
  const pixels = near.width * near.height;
  if (pixels > mostPixels) {
    const shrunk = Math.sqrt((width * height) / mostPixels);
    const sideOf = (side: number) => Math.max(step, Math.floor(side / shrunk / step) * step);
    return { width: sideOf(width), height: sideOf(height) };
  }
  if (pixels < leastPixels) {
    const grown = Math.sqrt(leastPixels / (width * height));
    const sideOf = (side: number) => Math.ceil((side * grown) / step) * step;
    return { width: sideOf(width), height: sideOf(height) };
  }
  return near;
}

/** Python rounds a half to the even number. */
function rounded(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest === 0.5) return below + (below % 2);
  return rest < 0.5 ? below : below + 1;
}
