import { expect, test } from 'vitest';
import { newJobId, type RoutingDecision } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { RecentDecisions } from './recent-decisions.ts';

test('the newest decisions come first, and the oldest beyond two hundred are forgotten', () => {
  let receive: (decision: RoutingDecision) => void = () => undefined;
  let isOpen = true;
  const bus = {
    subscribe: ({ handle }: { handle: typeof receive }) => {
      receive = handle;
      return {
        unsubscribe: () => {
          isOpen = false;
        },
      };
    },
  } as unknown as Bus;
  {
    using decisions = new RecentDecisions(bus);
    for (let at = 0; at < 250; at += 1)
      receive({
        job: newJobId(),
        at,
        model: 'sim',
        outcome: 'placed',
        candidates: 1,
        rejected: {},
        queuedMs: 0,
      });
    expect(decisions.list().map(({ at }) => at)).toEqual(
      Array.from({ length: 200 }, (_, index) => 249 - index),
    );
  }
  expect(isOpen).toBe(false);
});
