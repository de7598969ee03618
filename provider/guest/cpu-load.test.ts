import { expect, test } from 'vitest';
import { CpuLoad, cpuTimes } from './cpu-load.ts';

test('the load is the busy share of the time without requests, and keeps its value during requests', () => {
  let times = { busy: 1_000, total: 4_000 };
  const load = new CpuLoad(() => times);
  const after = (busy: number, idle: number, isBusy: boolean) => {
    times = { busy: times.busy + busy, total: times.total + busy + idle };
    return load.look(isBusy);
  };
  expect(load.look(false)).toBeUndefined();
  expect(after(100, 300, false)).toBe(0.25);
  expect(after(400, 0, true)).toBe(0.25);
  // The interval in which a request ended does not count either.
  expect(after(400, 0, false)).toBe(0.25);
  expect(after(0, 400, false)).toBe(0);
  expect(after(0, 0, false)).toBe(0);
});

test('the times of this computer grow', () => {
  const { busy, total } = cpuTimes();
  expect(busy).toBeGreaterThan(0);
  expect(total).toBeGreaterThan(busy);
});
