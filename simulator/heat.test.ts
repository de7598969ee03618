import { expect, test } from 'vitest';
import { Heat } from './heat.ts';

const hot = { throttles: { afterMs: 1_000, to: 0.5 } };

test('a machine slows down after it has worked for afterMs, and recovers after it has rested as long', () => {
  const heat = new Heat();
  const speeds = [
    [false, 5_000],
    [true, 5_999],
    [true, 6_000],
    [true, 9_000],
    [false, 9_999],
    [true, 10_000],
    [false, 11_000],
    [true, 11_500],
  ].map(([wasBusy, now]) => heat.speed(hot, wasBusy as boolean, now as number));
  expect(speeds).toEqual([1, 1, 0.5, 0.5, 0.5, 0.5, 1, 1]);
});

test('a machine without the ailment never slows down, and a healed machine starts cool', () => {
  const heat = new Heat();
  expect(heat.speed({}, true, 60_000)).toBe(1);
  expect(heat.speed(hot, true, 70_000)).toBe(0.5);
  expect(heat.speed({}, true, 70_001)).toBe(1);
  expect(heat.speed(hot, true, 70_500)).toBe(1);
});

test('a machine is warm before it slows down, hot while it is slow, and then cool', () => {
  const heat = new Heat();
  heat.speed(hot, false, 0);
  const states = [
    [true, 749],
    [true, 750],
    [true, 1_000],
    [false, 1_999],
    [false, 2_000],
  ].map(([wasBusy, now]) => {
    heat.speed(hot, wasBusy as boolean, now as number);
    return heat.state;
  });
  expect(states).toEqual(['nominal', 'fair', 'serious', 'serious', 'nominal']);
});
