import { expect, test } from 'vitest';
import { sizeWithin } from './images.ts';

test.each([
  [
    { width: 4_000, height: 2_000 },
    { width: 1_024, height: 512 },
  ],
  [
    { width: 30, height: 6_000 },
    { width: 5, height: 1_024 },
  ],
  [
    { width: 1, height: 9_000 },
    { width: 1, height: 1_024 },
  ],
  [
    { width: 300, height: 200 },
    { width: 300, height: 200 },
  ],
])('an image of %o becomes %o, and never larger', (size, expected) => {
  expect(sizeWithin(size, 1_024)).toEqual(expected);
});
