import fc from 'fast-check';
import { expect, test } from 'vitest';
import { imageTokenBound } from '#http-api/core/images/inline-image.ts';
import { smartSize } from './smart-resize.ts';

/** The bounds that Qwen publishes, with the largest one of this program. */
const BOUNDS = { leastPixels: 65_536, mostPixels: 4_096 * 32 * 32, step: 32 };
const side = fc.integer({ min: 1, max: 16_384 });
const sizes = fc
  .record({ width: side, height: side })
  .filter(({ width, height }) => Math.max(width, height) <= 200 * Math.min(width, height));

test.each([
  // Computed by `smart_resize` of transformers with these bounds.
  [{ width: 1_024, height: 1_024 }, 1_024, 1_024],
  [{ width: 1_000, height: 700 }, 992, 704],
  [{ width: 48, height: 80 }, 224, 352],
  [{ width: 4_032, height: 3_024 }, 2_336, 1_760],
  [{ width: 240, height: 272 }, 256, 256],
  [{ width: 200, height: 1 }, 3_648, 32],
] as const)('%o becomes %i×%i', (image, width, height) => {
  expect(smartSize(image, BOUNDS)).toEqual({ width, height });
});

test('a turned image becomes the turned size, and has no more tokens than money is held for', () => {
  fc.assert(
    fc.property(sizes, ({ width, height }) => {
      const made = smartSize({ width, height }, BOUNDS);
      expect(smartSize({ width: height, height: width }, BOUNDS)).toEqual({
        width: made.height,
        height: made.width,
      });
      expect(made.width % 32).toBe(0);
      expect(made.height % 32).toBe(0);
      const tokens = (made.width / 32) * (made.height / 32);
      expect(tokens).toBeGreaterThan(0);
      expect(tokens).toBeLessThanOrEqual(4_096);
      expect(tokens).toBeLessThanOrEqual(imageTokenBound({ type: 'png', width, height }));
    }),
    { numRuns: 5_000 },
  );
});

test('an image whose sides differ more than 200 times is refused', () => {
  expect(() => smartSize({ width: 201, height: 1 }, BOUNDS)).toThrow('201×1 pixels');
  expect(() => smartSize({ width: 10, height: 2_010 }, BOUNDS)).toThrow('10×2010 pixels');
});
