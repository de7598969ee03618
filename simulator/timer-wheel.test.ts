import { expect, test, vi } from 'vitest';
import { TimerWheel } from './timer-wheel.ts';

test('of 200 waits none ends before its time', async () => {
  const wheel = new TimerWheel();
  const startedAt = performance.now();
  const ended: { wanted: number; took: number }[] = [];
  await Promise.all(
    Array.from({ length: 200 }, (_, index) => {
      const wanted = (index * 37) % 100;
      return new Promise<void>((resolve) =>
        wheel.after(wanted, () => {
          ended.push({ wanted, took: performance.now() - startedAt });
          resolve();
        }),
      );
    }),
  );
  expect(ended).toHaveLength(200);
  for (const { wanted, took } of ended) expect(took).toBeGreaterThanOrEqual(wanted - 1);
});

test('a wait that begins inside the callback of the only other wait is not delayed', async () => {
  const wheel = new TimerWheel();
  const startedAt = performance.now();
  for (let turn = 0; turn < 20; turn += 1)
    await new Promise<void>((resolve) => wheel.after(1, () => wheel.after(1, resolve)));
  expect(performance.now() - startedAt).toBeLessThan(2_000);
});

test('no callback runs after stop', () => {
  vi.useFakeTimers();
  try {
    let now = 0;
    const wheel = new TimerWheel(() => now);
    let ran = false;
    wheel.after(1, () => {
      ran = true;
    });
    wheel.stop();
    now = 20;
    vi.advanceTimersByTime(20);
    expect(ran).toBe(false);
  } finally {
    vi.useRealTimers();
  }
});
