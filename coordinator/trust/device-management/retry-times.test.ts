import { expect, test } from 'vitest';
import { retryTimes } from './retry-times.ts';

test('the next attempt follows after 2 to 4 minutes, then 6 to 12, then 15 to 30', () => {
  const minutes = (random: number) => retryTimes(() => random).map((ms) => ms / 60_000);
  expect(minutes(0)).toEqual([2, 6, 15]);
  expect(minutes(1)).toEqual([4, 12, 30]);
});
