import { expect, test } from 'vitest';
import { createSimulatedEngine } from '#simulator';
import { limitedSlots } from './limited-slots.ts';

test.each([
  [16, 1, 16],
  [16, 0.5, 8],
  [16, 0.25, 4],
  [3, 0.25, 1],
  [1, 0.5, 1],
])('of %i requests at the same time, a share of %d is %i', (maxConcurrency, share, limited) => {
  const slots = createSimulatedEngine({ chip: 'm4-max', maxConcurrency }).slots();
  expect(limitedSlots(slots, share).map((slot) => slot.maxConcurrency)).toEqual(
    slots.map(() => limited),
  );
});
