import { expect, test } from 'vitest';
import { groupedDigits, tokens } from './numbers.ts';

test.each([
  [0, '0'],
  [9_999, '9,999'],
  [131_072, '131k'],
  [1_000_000, '1M'],
  [1_048_576, '1M'],
  [2_500_000, '2.5M'],
])('%d tokens are shown as %s', (value, text) => {
  expect(tokens(value)).toBe(text);
});

test('a whole number has its digits in groups', () => {
  expect(groupedDigits(1_234_567)).toBe('1,234,567');
});
