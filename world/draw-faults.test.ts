import { expect, test } from 'vitest';
import { longestTroubleMs } from './draw-faults.ts';
import type { WorldFault } from './faults.ts';

const fault = (at: number, forMs: number): WorldFault => ({ at, forMs, kind: 'kill', host: 'hub' });

test('trouble lasts from the first of several faults that follow one another to the end of the last', () => {
  expect(longestTroubleMs([])).toBe(0);
  const [first, within, second, alone] = [
    fault(1_000, 15_800),
    fault(2_000, 200),
    fault(17_300, 15_500),
    fault(90_000, 20_000),
  ];
  expect(longestTroubleMs([first, within, second, alone])).toBe(31_800);
  expect(longestTroubleMs([first, alone])).toBe(20_000);
});
