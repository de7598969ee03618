import { expect, test } from 'vitest';
import { RecentLosses } from './lost-facts.ts';

const MINUTE_MS = 60_000;

test('losses of a stream add up and disappear one hour after the last one', () => {
  const losses = new RecentLosses();
  losses.add('JOBS', 3, 0);
  losses.add('TELEMETRY', 1, 10 * MINUTE_MS);
  losses.add('JOBS', 4, 50 * MINUTE_MS);
  const jobs = { stream: 'JOBS', facts: 7, firstAt: 0, lastAt: 50 * MINUTE_MS };
  const telemetry = {
    stream: 'TELEMETRY',
    facts: 1,
    firstAt: 10 * MINUTE_MS,
    lastAt: 10 * MINUTE_MS,
  };
  expect(losses.recent(70 * MINUTE_MS - 1)).toEqual([jobs, telemetry]);
  expect(losses.recent(70 * MINUTE_MS)).toEqual([jobs]);
  expect(losses.recent(110 * MINUTE_MS)).toEqual([]);
});

test('a loss after an hour without one is counted from zero', () => {
  const losses = new RecentLosses();
  losses.add('JOBS', 3, 0);
  losses.add('JOBS', 2, 60 * MINUTE_MS);
  const at = 60 * MINUTE_MS;
  expect(losses.recent(at)).toEqual([{ stream: 'JOBS', facts: 2, firstAt: at, lastAt: at }]);
});
