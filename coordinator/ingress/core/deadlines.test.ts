import { expect, test } from 'vitest';
import { deadlinesOf, timesLeft } from './deadlines.ts';

const times = { firstContentMs: 9_000, jobTimeoutMs: 600_000, queuePatienceMs: 30_000 };

test('each prompt token adds a millisecond to the first content, and four times that is the last', () => {
  expect(deadlinesOf({ promptTokens: 1_000, times, now: 500 })).toEqual({
    firstContentBy: 10_500,
    lateUntil: 40_500,
    endBy: 600_500,
  });
});

test('late content is never awaited beyond the end of the job', () => {
  const { lateUntil, endBy } = deadlinesOf({ promptTokens: 200_000, times, now: 0 });
  expect(lateUntil).toBe(endBy);
});

test.each([
  [0, { patienceMs: 30_000, firstContentMs: 40_000 }],
  [15_000.4, { patienceMs: 25_000, firstContentMs: 25_000 }],
  [50_000, { patienceMs: 0, firstContentMs: 0 }],
])('at %s ms a reservation has %o left', (now, left) => {
  expect(timesLeft({ firstContentBy: 40_000, committed: false }, times, now)).toEqual(left);
});

test('the rest of an answer has a time of its own', () => {
  expect(timesLeft({ firstContentBy: 40_000, committed: true }, times, 90_000)).toEqual({
    patienceMs: 2_000,
    firstContentMs: 10_000,
  });
});
