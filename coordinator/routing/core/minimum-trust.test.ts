import { expect, test } from 'vitest';
import { type Reserve, type Reserved, SUITE_ID, type TrustLevel } from '#bus-schemas';
import { explainFleet } from '../views.ts';
import { announcement, idOf, reservation, slot } from './fleet-under-test.ts';
import { Router } from './router.ts';

const NOW = 10_000;
const LIST = { inputMicroUsdPerMillion: 1, outputMicroUsdPerMillion: 1 };
const PRICE = { list: LIST, max: LIST };

function routerWith(minimumTrust?: TrustLevel): Router {
  const router = new Router({
    suite: SUITE_ID,
    queueDepth: 4,
    graceMs: 0,
    startedAt: 0,
    random: () => 0,
    minimumTrust,
  });
  const add = (letter: string, level: TrustLevel, isPaused = false) =>
    router.fleet.announce(idOf(letter), announcement({}, [slot()]), NOW, {
      level,
      weights: undefined,
      isOnProbation: false,
      isPaused,
    });
  add('B', 'self_signed');
  add('C', 'hardware', true);
  return router;
}

let jobs = 0;
function placed(router: Router, changes: Partial<Reserve>): string | undefined {
  let reply: Reserved | undefined;
  const request = reservation(jobs++, changes);
  const answer = (given: Reserved) => {
    reply = given;
  };
  router.reserve({ request, requestedAt: NOW, answer }, NOW);
  return reply?.ok ? reply.candidates[0]?.provider : reply?.code;
}

test('a machine below the minimum trust serves free requests and its owner, and no paid ones', () => {
  const router = routerWith('hardware');
  expect(placed(router, { price: PRICE })).toBe('no_provider');
  expect(placed(router, {})).toBe(idOf('B'));
  expect(placed(router, { price: { ...PRICE, exempt: [idOf('B')] } })).toBe(idOf('B'));
  expect(placed(routerWith('self_signed'), { price: PRICE })).toBe(idOf('B'));
  expect(placed(routerWith(), { price: PRICE })).toBe(idOf('B'));
});

test('a paused machine gets no job until its pause ends, and the explanation names both gates', () => {
  const router = routerWith('hardware');
  const explained = explainFleet(router, { promptTokens: 1, maxOutputTokens: 1 }, NOW);
  expect(explained.tally).toEqual({ minimum_trust: 1, paused: 1 });
  router.fleet.setVerified(idOf('C'), {
    level: 'hardware',
    weights: undefined,
    isOnProbation: false,
    isPaused: false,
  });
  expect(placed(router, { price: PRICE })).toBe(idOf('C'));
});
