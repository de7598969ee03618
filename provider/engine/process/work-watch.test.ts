import { describe, expect, test } from 'vitest';
import { loadLimitMs, stepLimitMs } from '../guarded-work.ts';
import { SILENCE_MS, WorkWatch } from './work-watch.ts';

const fast = { prefillTps: 5_000, decodeTps: 100 };
const slow = { prefillTps: 20, decodeTps: 1 };

describe('the limit of a step', () => {
  test('is ten times its duration at the measured speed', () => {
    expect(stepLimitMs(slow, 0)).toBe(15_000);
    expect(stepLimitMs(slow, 100)).toBe(60_000);
  });

  test('has a floor for fast machines, and a ceiling for wrong measurements', () => {
    expect(stepLimitMs(fast, 512)).toBe(15_000);
    expect(stepLimitMs({ prefillTps: 0, decodeTps: 0 }, 512)).toBe(600_000);
    expect(stepLimitMs({ prefillTps: 0, decodeTps: 100 }, 0)).toBe(15_000);
  });

  test('of a load grows with the size of the model', () => {
    expect(loadLimitMs(40e9)).toBe(120_000 + 4_000_000);
  });
});

describe('work', () => {
  const step = { kind: 'step', limitMs: 15_000 } as const;

  test('is overdue when it has run for longer than its limit, and no longer after its end', async () => {
    const watch = new WorkWatch(() => {});
    const { promise, resolve } = Promise.withResolvers<void>();
    const running = watch.guard(step, () => promise);
    watch.tick(15_000);
    expect(watch.overdue).toBeUndefined();
    watch.tick(500);
    expect(watch.overdue).toMatchObject(step);
    resolve();
    await running;
    expect(watch.overdue).toBeUndefined();
  });

  test('that reports progress is overdue only when one of its parts is', async () => {
    const watch = new WorkWatch(() => {});
    const { promise, resolve } = Promise.withResolvers<void>();
    let partEnded = () => {};
    const load = { kind: 'load', limitMs: 120_000 } as const;
    const running = watch.guard(load, (progressed) => {
      partEnded = progressed;
      return promise;
    });
    for (let part = 0; part < 5; part += 1) {
      watch.tick(100_000);
      expect(watch.overdue).toBeUndefined();
      partEnded();
    }
    watch.tick(120_001);
    expect(watch.overdue).toMatchObject(load);
    resolve();
    await running;
  });

  test('that may block the process allows a longer silence, which is announced before', async () => {
    const announced: number[] = [];
    const watch = new WorkWatch(() => announced.push(watch.silenceMs));
    const { promise, resolve } = Promise.withResolvers<void>();
    const running = watch.guard({ kind: 'load', limitMs: 200_000 }, () => promise);
    expect(announced).toEqual([200_000]);
    resolve();
    await running;
    expect(watch.silenceMs).toBe(SILENCE_MS);
  });

  test('that fails is not watched any longer', async () => {
    const watch = new WorkWatch(() => {});
    await expect(watch.guard(step, () => Promise.reject(new Error('broken')))).rejects.toThrow();
    watch.tick(60_000);
    expect(watch.overdue).toBeUndefined();
  });
});
