import { expect, test } from 'vitest';
import { millisecondsOf } from './leaf-links.ts';

test.each([
  ['337µs', 0.337],
  ['812ns', 0.000812],
  ['1.5ms', 1.5],
  ['1m2.5s', 62_500],
  ['', 0],
])('a round trip of "%s" has %d milliseconds', (text, milliseconds) => {
  expect(millisecondsOf(text)).toBeCloseTo(milliseconds, 9);
});
