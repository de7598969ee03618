import { expect, test } from 'vitest';
import { replayAll, shareOf } from './main.ts';

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
