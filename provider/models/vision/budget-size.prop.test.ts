import fc from 'fast-check';
import { expect, test } from 'vitest';
import { imageTokenBound } from '#http-api/core/images/inline-image.ts';
import { budgetSize } from './budget-size.ts';

/** As Gemma 4 is published: patches of 16 pixels, of which 3 by 3 make a token. */
const SIDE = 48;

test.each([
  // Computed by `get_aspect_ratio_preserving_size` of transformers.
  [280, { width: 1_024, height: 1_024 }, 768, 768],
  [280, { width: 1_000, height: 700 }, 960, 672],
  [280, { width: 48, height: 80 }, 576, 1_008],
  [280, { width: 4_032, height: 3_024 }, 912, 672],
  [280, { width: 240, height: 272 }, 720, 816],
  [280, { width: 1, height: 1 }, 768, 768],
  [280, { width: 16_384, height: 3 }, 13_440, 48],
  [280, { width: 1, height: 900 }, 48, 13_440],
  [70, { width: 1_000, height: 700 }, 480, 336],
  [70, { width: 37, height: 16_384 }, 48, 3_360],
] as const)('with %i tokens, %o becomes %i×%i', (tokens, image, width, height) => {
  expect(budgetSize(image, { tokens, side: SIDE })).toEqual({ width, height });
});

test('a turned image becomes the turned size, within the budget and what money is held for', () => {
  const side = fc.integer({ min: 1, max: 16_384 });
  fc.assert(
    fc.property(side, side, fc.constantFrom(70, 140, 280), (width, height, budget) => {
      const made = budgetSize({ width, height }, { tokens: budget, side: SIDE });
      expect(budgetSize({ width: height, height: width }, { tokens: budget, side: SIDE })).toEqual({
        width: made.height,
        height: made.width,
      });
      expect([made.width % SIDE, made.height % SIDE]).toEqual([0, 0]);
      const tokens = (made.width / SIDE) * (made.height / SIDE);
      expect(tokens).toBeGreaterThan(0);
      expect(tokens).toBeLessThanOrEqual(budget);
      // The tokens of the image and its two marks.
      expect(tokens + 2).toBeLessThanOrEqual(imageTokenBound({ type: 'png', width, height }));
    }),
    { numRuns: 5_000 },
  );
});
