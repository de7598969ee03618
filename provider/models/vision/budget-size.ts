import type { ImageSize } from '../../images/scale-image.ts';

interface Budget {
  /** Most tokens of an image. */
  readonly tokens: number;
  /** Pixels on a side of the square that becomes one token. */
  readonly side: number;
}

/**
 * Returns the largest size with the proportions of an image, up to rounding, that has no more tokens
 * than the budget, as the processor of Gemma 4 does. Small images are made larger. An image that would
 * be less than one token wide or high has one row or column of tokens.
 */
export function budgetSize({ width, height }: ImageSize, { tokens, side }: Budget): ImageSize {
  const factor = Math.sqrt((tokens * side ** 2) / (height * width));
  const across = Math.floor((factor * width) / side);
  const down = Math.floor((factor * height) / side);
  if (down === 0)
    return { width: Math.min(Math.floor(width / height), tokens) * side, height: side };
  if (across === 0)
    return { width: side, height: Math.min(Math.floor(height / width), tokens) * side };
  return { width: across * side, height: down * side };
}
