import { expect, test } from 'vitest';
import { type Announcement, type Slot, SUITE_ID } from '#bus-schemas';
import { explain } from './explanation.ts';
import { announcement, idOf, slot } from './fleet-under-test.ts';
import { Router } from './router.ts';

const ask = { job: '', builds: ['sim'], promptTokens: 100, maxOutputTokens: 100, exclude: [] };

test('explains each slot with the gate that a decision would use, and counts each slot once', () => {
  const router = new Router({
    suite: SUITE_ID,
    queueDepth: 1,
    graceMs: 0,
    startedAt: 0,
    random: () => 0,
  });
  const announce = (
    letter: string,
    changes: Partial<Slot> = {},
    word: Partial<Announcement> = {},
  ) =>
    router.fleet.announce(
      idOf(letter),
      announcement(word, [slot({ maxConcurrency: 2, ...changes })]),
      0,
    );
  announce('B');
  announce('C', { contextTokens: 150 });
  announce('D', {}, { draining: true });
  announce('E');
  for (let fault = 0; fault < 3; fault += 1) router.faults.failed(idOf('E'), 1);
  announce('F', { running: 2 });
  const { slots, tally } = explain(router.fleet.serving('sim'), ask, 2);
  expect(tally).toEqual({ open: 1, context: 1, draining: 1, breaker: 1, busy: 1 });
  expect(Object.fromEntries(slots.map(({ provider, gate }) => [provider[1], gate]))).toEqual({
    B: undefined,
    C: 'context',
    D: 'draining',
    E: 'breaker',
    F: 'busy',
  });
  expect(slots.find(({ gate }) => gate === undefined)?.expectedFirstContentMs).toBeGreaterThan(0);
  expect(new Set(slots.map(({ because }) => because)).size).toBe(5);
});
