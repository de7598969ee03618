import { expect, test } from 'vitest';
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
  for (let turn = 0; turn < 20; turn += 1) await new Promise<void>((resolve) => wheel.after(1, () => wheel.after(1, resolve)));
  expect(performance.now() - startedAt).toBeLessThan(2_000);
});

test('no callback runs after stop', async () => {
  const wheel = new TimerWheel();
  let happened = false;
  wheel.after(1, () => {
    happened = true;
  });
  wheel.stop();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(happened).toBe(false);
});
