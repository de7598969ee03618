import { expect, test } from 'vitest';
import { duration, timeAgo, timeAhead, utcTime } from './time.ts';

const NOW = Date.UTC(2026, 10, 28, 14, 2, 33);
const seconds = (past: number) => NOW - past * 1_000;

test.each([
  [5, 'just now'],
  [60, '1 min ago'],
  [3_599, '59 min ago'],
  [3_600, '1 h ago'],
  [2 * 86_400, '2 days ago'],
  [86_400, '1 day ago'],
])('%d seconds ago are shown as "%s"', (past, text) => {
  expect(timeAgo(seconds(past), NOW)).toBe(text);
});

test('a time of another week is a date', () => {
  expect(timeAgo(seconds(8 * 86_400), NOW)).toMatch(/20 Nov 2026/);
});

test.each([
  [-1, 'over'],
  [90, 'in 2 min'],
  [7_200, 'in 2 h'],
  [5 * 86_400, 'in 5 days'],
])('%d seconds ahead are shown as "%s"', (future, text) => {
  expect(timeAhead(NOW + future * 1_000, NOW)).toBe(text);
});

test('times have their exact form in UTC', () => {
  expect(utcTime(NOW)).toBe('2026-11-28 14:02:33 UTC');
});

test.each([
  [0, '0 ms'],
  [240.4, '240 ms'],
  [1_440, '1.4 s'],
])('%d milliseconds are %s', (ms, text) => {
  expect(duration(ms)).toBe(text);
});
