import { Compile } from 'typebox/compile';
import { expect, test } from 'vitest';
import { RoutedBecause } from '../mod.ts';

const named = (count: number): Record<string, number> =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`name_${index}`, 1]));
const reason = { able: 1, rejected: {}, queuedMs: 0 };

test('the reason of a choice has at most 64 gates and 16 terms', () => {
  const check = Compile(RoutedBecause);
  expect(check.Check({ ...reason, rejected: named(64), terms: named(16) })).toBe(true);
  expect(check.Check({ ...reason, rejected: named(65) })).toBe(false);
  expect(check.Check({ ...reason, terms: named(17) })).toBe(false);
});
