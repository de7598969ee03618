import { expect, test } from 'vitest';
import { periodStart, utcDay } from './periods.ts';

const NOW = Date.UTC(2026, 10, 28, 14, 2, 33);

test('a period begins at a whole hour, so that all calls within an hour are the same', () => {
  expect(new Date(periodStart('day', NOW)).toISOString()).toBe('2026-11-27T14:00:00.000Z');
  expect(periodStart('week', NOW)).toBe(periodStart('week', NOW + 60_000));
});

test('the day is that of UTC', () => {
  expect(new Date(utcDay(NOW)).toISOString()).toBe('2026-11-28T00:00:00.000Z');
});
