import { afterEach, expect, test, vi } from 'vitest';
import { countAwake } from './awake-time.ts';

afterEach(() => {
  vi.useRealTimers();
});

test('a machine that slept for an hour finds no limit exceeded when it wakes', () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  let now = 0;
  let counted = 0;
  using _timer = countAwake(
    500,
    (ms) => {
      counted += ms;
    },
    () => now,
  );
  now = 500;
  vi.advanceTimersByTime(500);
  expect(counted).toBe(500);
  now += 3_600_000;
  vi.advanceTimersByTime(500);
  expect(counted).toBe(1_500);
});
