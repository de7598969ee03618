import { expect, test } from 'vitest';
import { countedLoadMs, loadTimeCounter } from './load-time.ts';

test.each([
  ['all of it on an idle computer', { usedMs: 0, load: 0.5, cores: 2 }, 1_000],
  ['all of it with as many programs as processors', { usedMs: 0, load: 2, cores: 2 }, 1_000],
  ['the processor time on a busy computer', { usedMs: 400, load: 30, cores: 2 }, 400],
  ['never more than the real time', { usedMs: 1_900, load: 30, cores: 2 }, 1_000],
  ['a quarter if the process got nothing, or hangs', { usedMs: 0, load: 30, cores: 2 }, 250],
])('of a second of a load counts %s', (_, computer, expected) => {
  expect(countedLoadMs(1_000, computer)).toBe(expected);
});

test('the counter never counts more than the real time', () => {
  const counted = loadTimeCounter();
  for (let call = 0; call < 3; call += 1) {
    expect(counted(100)).toBeLessThanOrEqual(100);
    expect(counted(100)).toBeGreaterThanOrEqual(25);
  }
});
