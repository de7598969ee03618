import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { AgentTicker } from './agent-ticker.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('without work it ticks twice a second, and with work every 50 ms, from the moment at which it arrives', () => {
  let work = 0;
  let ticks = 0;
  const ticksIn = (ms: number): number => {
    ticks = 0;
    vi.advanceTimersByTime(ms);
    return ticks;
  };
  using ticker = new AgentTicker({
    tick: () => {
      ticks += 1;
    },
    isBusy: () => work > 0,
  });
  expect(ticksIn(5_000)).toBe(10);
  vi.advanceTimersByTime(100);
  work = 1;
  ticker.wake();
  ticker.wake();
  expect(ticksIn(49)).toBe(0);
  expect(ticksIn(1)).toBe(1);
  expect(ticksIn(1_000)).toBe(20);
  work = 0;
  expect(ticksIn(50)).toBe(1);
  expect(ticksIn(499)).toBe(0);
  expect(ticksIn(1)).toBe(1);
});

test('it ends when it is disposed', () => {
  const tick = vi.fn();
  new AgentTicker({ tick, isBusy: () => true })[Symbol.dispose]();
  vi.advanceTimersByTime(5_000);
  expect(tick).not.toHaveBeenCalled();
});
