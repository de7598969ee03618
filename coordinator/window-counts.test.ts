import { expect, test } from 'vitest';
import { WindowCounts } from './window-counts.ts';

test('each name has a count of its own until the window is over, and the next one begins at its first use', () => {
  const time = { now: 5_000 };
  const counts = new WindowCounts({ windowMs: 1_000, now: () => time.now });
  expect([counts.add('a'), counts.add('a'), counts.add('b'), counts.leftMs]).toEqual([
    1, 2, 1, 1_000,
  ]);
  counts.takeBack('a');
  time.now += 999;
  expect([counts.of('a'), counts.of('b'), counts.of('c'), counts.leftMs]).toEqual([1, 1, 0, 1]);
  time.now += 5_000;
  expect([counts.leftMs, counts.of('a'), counts.leftMs]).toEqual([0, 0, 1_000]);
});

test('a count that is taken back after the window stays at 0', () => {
  const time = { now: 0 };
  const counts = new WindowCounts({ windowMs: 1_000, now: () => time.now });
  counts.add('a');
  time.now += 1_000;
  counts.of('b');
  counts.takeBack('a');
  expect(counts.of('a')).toBe(0);
});
