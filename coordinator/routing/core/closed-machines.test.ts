import { expect, test } from 'vitest';
import { type Announcement, type Reserve, type Reserved, SUITE_ID } from '#bus-schemas';
import { explainFleet } from '../views.ts';
import { announcement, idOf, reservation } from './fleet-under-test.ts';
import { Router } from './router.ts';

const NOW = 10_000;
const LIST = { inputMicroUsdPerMillion: 1, outputMicroUsdPerMillion: 1 };
const PRICE = { list: LIST, max: LIST };
const MACHINE = idOf('B');

function routerWith(changes: Partial<Announcement>): Router {
  const router = new Router({
    suite: SUITE_ID,
    queueDepth: 4,
    graceMs: 0,
    startedAt: 0,
    random: () => 0,
  });
  router.fleet.announce(MACHINE, announcement(changes), NOW);
  return router;
}

const gates = (router: Router) =>
  explainFleet(router, { promptTokens: 1, maxOutputTokens: 1 }, NOW).tally;

/** The machine that gets a job, or the refusal with its gate. */
function placesOn(router: Router) {
  let jobs = 0;
  return (changes: Partial<Reserve>): string | undefined => {
    let reply: Reserved | undefined;
    const answer = (given: Reserved) => {
      reply = given;
    };
    router.reserve({ request: reservation(jobs++, changes), requestedAt: NOW, answer }, NOW);
    return reply?.ok ? reply.candidates[0]?.provider : `${reply?.code} ${reply?.gate}`;
  };
}

test.each([
  [undefined, 'draining'],
  ['memory_unload', 'memory_pressure'],
  ['heat', 'thermal_critical'],
  ['schedule', 'closed'],
  ['a reason of a newer machine', 'closed'],
])('a machine that is closed because of %s fails the gate %s', (closedFor, gate) => {
  const router = routerWith({ draining: true, ...(closedFor !== undefined && { closedFor }) });
  expect(gates(router)).toEqual({ [gate]: 1 });
});

test('a machine that opens again between two beats serves, and its old reason is dropped', () => {
  const closed = announcement({ draining: true, closedFor: 'schedule' });
  const router = routerWith(closed);
  const { session, slots } = closed;
  router.fleet.report(MACHINE, { session, sequence: 2, draining: false, slots }, NOW);
  expect(gates(router)).toEqual({ open: 1 });
  router.fleet.report(MACHINE, { session, sequence: 3, draining: true, slots }, NOW);
  expect(gates(router)).toEqual({ draining: 1 });
});

test('a private machine serves its owner only', () => {
  const router = routerWith({ privateOnly: true });
  const placed = placesOn(router);
  const refused = 'no_provider private_only';
  expect(placed({ price: PRICE })).toBe(refused);
  expect(placed({ price: PRICE, only: [MACHINE] })).toBe(refused);
  expect(placed({})).toBe(refused);
  expect(placed({ only: [MACHINE] })).toBe(MACHINE);
  expect(placed({ price: { ...PRICE, exempt: [MACHINE] } })).toBe(MACHINE);
  expect(gates(router)).toEqual({ private_only: 1 });
});

test('a machine without batches serves all other requests, and names its gate for lines', () => {
  const router = routerWith({ noBatches: true });
  const placed = placesOn(router);
  expect(placed({})).toBe(MACHINE);
  expect(placed({ isBatchLine: true })).toBe('no_provider no_batches');
  expect(placed({ isBatchLine: true, only: [MACHINE] })).toBe('no_provider no_batches');
});
