import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Residency } from './residency.ts';
import { MIN_RESIDENCE_MS } from './room.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test.for([-2, -1, 0, 1, 2])(
  'a model gives way also if its time ends between two looks at the clock (%i ms)',
  async (later) => {
    let now = 0;
    let loadedAt = 0;
    const movable = (build: string) => ({
      build,
      bytes: 1,
      load: async () => {
        loadedAt = now;
        return true;
      },
      unload: async () => undefined,
    });
    using residency = new Residency({
      models: [movable('ant'), movable('bee')],
      memoryBytes: 1,
      idleMs: 0,
      // A millisecond passes at each look, as on a busy computer.
      clock: () => now++,
    });
    await residency.loadThoseThatFit();
    const { entry } = residency.enter('bee', { withinMs: 600_000, isOwners: false });
    let result: string | undefined;
    void entry.then((how) => {
      result = how;
    });
    // The timer is early or late, so in one of the cases the time ends just after its first look.
    now = loadedAt + MIN_RESIDENCE_MS + later;
    await vi.advanceTimersByTimeAsync(MIN_RESIDENCE_MS + 10);
    expect(result).toBe('admitted');
  },
);
