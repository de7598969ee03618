import { describe, expect, test } from 'vitest';
import { type Reserve, type Slot, SUITE_ID } from '#bus-schemas';
import { announcement, idOf, reservation, slot } from './fleet-under-test.ts';
import { Router } from './router.ts';

const NOW = 10_000;
const PERIOD_MS = 60_000;
const [OWN, OTHER] = [idOf('B'), idOf('C')];

/** A router of machines with these slots: the machine in question, then others. */
function routerOf(own: Partial<Slot>, ...others: Partial<Slot>[]): Router {
  const random = () => 0;
  const options = { suite: SUITE_ID, queueDepth: 4, graceMs: 0, startedAt: 0, random };
  const router = new Router(options);
  router.fleet.announce(OWN, announcement({}, [slot(own)]), NOW);
  for (const [place, other] of others.entries())
    router.fleet.announce(
      idOf(String.fromCharCode('C'.charCodeAt(0) + place)),
      announcement({}, [slot(other)]),
      NOW,
    );
  return router;
}
function send(router: Router, ...requests: Reserve[]): void {
  for (const request of requests) {
    router.reserve({ request, requestedAt: NOW, answer: () => undefined }, NOW);
    router.end(request.job, NOW);
  }
}
/** The report of the machine in question on its only build. */
function reportOf(router: Router) {
  const survey = router.surveyDemand(PERIOD_MS, NOW);
  const machine = router.fleet.provider(OWN);
  return machine && survey.reportFor(machine).builds[0];
}

describe('the report to a machine that got no request', () => {
  test('states that none came for its build', () => {
    const router = routerOf({}, { build: 'another' });
    send(router, reservation(1, { builds: ['another'] }));
    expect(reportOf(router)).toEqual({
      build: 'sim',
      requests: 0,
      chosen: 0,
      missed: 'no_requests',
    });
  });

  test('counts the free machines that were expected to be faster, and names the term', () => {
    const router = routerOf(
      { decodeTps: 5 },
      { decodeTps: 100 },
      { decodeTps: 90 },
      { decodeTps: 2 },
      { decodeTps: 200, maxConcurrency: 0 },
    );
    send(router, reservation(1), reservation(2));
    expect(reportOf(router)).toMatchObject({
      requests: 2,
      chosen: 0,
      missed: 'others_sooner',
      behind: { machines: 2, term: 'decode' },
    });
  });

  test.each<[string, Partial<Slot>, Partial<Slot>, string]>([
    ['its model must be loaded', { state: 'cold' }, {}, 'load'],
    ['it reads prompts more slowly', { prefillTps: 50 }, {}, 'prefill'],
    ['it answers other requests already', { running: 3 }, {}, 'queue'],
  ])('names the term if %s', (_why, own, other, term) => {
    const router = routerOf(own, other);
    send(router, reservation(1));
    expect(reportOf(router)?.behind?.term).toBe(term);
  });

  test('states that the draw between equal machines went to others', () => {
    const router = routerOf({}, {});
    send(router, reservation(1), reservation(2));
    const survey = router.surveyDemand(PERIOD_MS, NOW);
    const reports = [...router.fleet.all()].map((machine) => survey.reportFor(machine).builds[0]);
    expect(reports.map((report) => report?.chosen).toSorted()).toEqual([0, 2]);
    expect(reports.find((report) => report?.chosen === 0)?.missed).toBe('not_drawn');
  });

  test.each<[string, Partial<Slot>, Partial<Reserve>]>([
    ['context', { contextTokens: 150 }, {}],
    ['busy', { running: 4 }, {}],
    ['tokens', { freeTokens: 10 }, {}],
    ['traits', {}, { requires: ['vision'] }],
    ['slot_failed', { state: 'failed' }, {}],
  ])('names the gate %s', (gate, own, wish) => {
    const router = routerOf(own, { traits: ['vision'] });
    send(router, reservation(1, wish));
    expect(reportOf(router)).toMatchObject({ requests: 1, chosen: 0, missed: gate });
  });

  test('names the gate that stopped most of the last requests', () => {
    const router = routerOf({ contextTokens: 150, decodeTps: 5 }, {});
    const short = { promptTokens: 10, maxOutputTokens: 10 };
    send(router, reservation(1, short), reservation(2), reservation(3), reservation(4));
    expect(reportOf(router)).toMatchObject({ requests: 4, missed: 'context' });
  });

  test('states that another build of the model is preferred', () => {
    const router = routerOf({}, { build: 'newer' });
    send(router, reservation(1, { builds: ['newer', 'sim'] }));
    expect(reportOf(router)).toMatchObject({ requests: 1, missed: 'other_build' });
  });

  test('states that it drains, also if no request came', () => {
    const router = routerOf({});
    router.fleet.announce(OWN, announcement({ sequence: 2, draining: true }), NOW);
    expect(reportOf(router)).toMatchObject({ requests: 0, missed: 'draining' });
  });
});

test('a machine that was chosen gets the number and no reason; the next period begins at 0', () => {
  const router = routerOf({});
  send(router, reservation(1), reservation(2));
  expect(reportOf(router)).toEqual({ build: 'sim', requests: 2, chosen: 2 });
  expect(reportOf(router)).toMatchObject({ requests: 0, chosen: 0, missed: 'no_requests' });
});

test('requests that name their machines, and further attempts, are no further demand', () => {
  const router = routerOf({}, {});
  send(router, reservation(1, { only: [OTHER] }), reservation(2, { exclude: [OTHER] }));
  expect(reportOf(router)).toEqual({ build: 'sim', requests: 0, chosen: 1 });
});
