import { expect, test } from 'vitest';
import { MOST_REPEATED_SHARE, repeatAll, replayAll, shareOf } from './main.ts';

test('requests like those of a large network reuse what was computed before, also after a restart, and states of hybrid models too', async () => {
  const results = await replayAll('smoke');
  expect(results).toHaveLength(4);
  for (const { workload, model, result } of results) {
    const { all, afterRestart } = result;
    expect(afterRestart.repeats, `${workload}, ${model}`).toBeGreaterThan(5);
    expect(shareOf(all), `${workload}, ${model}`).toBeGreaterThanOrEqual(0.6);
    expect(shareOf(afterRestart), `${workload}, ${model}`).toBeGreaterThanOrEqual(0.5);
  }
}, 180_000);

test('the first content of a repeated prompt needs at most a twentieth of the processor time, also after a restart', async () => {
  const results = await repeatAll('smoke');
  expect(results).toHaveLength(2);
  for (const { model, rounds } of results)
    for (const { cold, fromMemory, fromDisk } of rounds) {
      expect(cold.cachedTokens).toBe(0);
      for (const repeated of [fromMemory, fromDisk]) {
        expect(repeated.cachedTokens, model).toBeGreaterThan(11_900);
        expect(repeated.processorMs / cold.processorMs, model).toBeLessThan(MOST_REPEATED_SHARE);
      }
    }
}, 600_000);
