import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RecentCount } from './recent-count.ts';

test('counts the events of the window with a resolution of a tenth of it', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 3_000 }), { maxLength: 200 }), (pauses) => {
      const recent = new RecentCount(10_000);
      const times: number[] = [];
      let now = 0;
      for (const pause of pauses) {
        now += pause;
        times.push(now);
        recent.add(now);
      }
      const within = (ms: number) => times.filter((at) => now - at < ms).length;
      expect(recent.at(now)).toBeGreaterThanOrEqual(within(9_000));
      expect(recent.at(now)).toBeLessThanOrEqual(within(10_000));
      expect(recent.at(now + 10_000)).toBe(0);
    }),
  );
});
