import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Announcement,
  COST_TERMS,
  type Conditions,
  type Reserved,
  type Slot,
  SUITE_ID,
  THERMAL_STATES,
} from '#bus-schemas';
import { costFor, expectedMs, penaltiesMs } from './cost.ts';
import { announcement, idOf, reservation, slot } from './fleet-under-test.ts';
import { failedGate } from './placement.ts';
import { Router } from './router.ts';
import { uncrowdedStreams } from './stream-floor.ts';

const NOW = 10_000;
const [COOL, HOT] = [idOf('B'), idOf('C')];
const ask = { job: '', builds: ['sim'], promptTokens: 100, maxOutputTokens: 100, exclude: [] };

function newRouter(minStreamTps?: number): Router {
  return new Router({
    suite: SUITE_ID,
    queueDepth: 4,
    graceMs: 0,
    startedAt: 0,
    random: () => 0,
    ...(minStreamTps !== undefined && { minStreamTps }),
  });
}

let sequence = 0;
function announce(router: Router, id: string, conditions?: Conditions, slots?: Slot[]): void {
  sequence += 1;
  const changes: Partial<Announcement> = { sequence, ...(conditions && { conditions }) };
  router.fleet.announce(id, announcement(changes, slots), NOW);
}

let jobs = 0;
function placed(router: Router): string | undefined {
  jobs += 1;
  let reply: Reserved | undefined;
  const answer = (given: Reserved) => {
    reply = given;
  };
  router.reserve({ request: reservation(jobs), requestedAt: NOW, answer }, NOW);
  return reply?.ok ? reply.candidates[0]?.provider : reply?.gate;
}

const gateOf = (router: Router, id: string) => {
  const serving = router.fleet.servingOf(id, 'sim');
  return serving && failedGate(serving, ask, NOW);
};

describe('a machine that reports', () => {
  test('a critical temperature gets no jobs until it reports a lower one', () => {
    const router = newRouter();
    announce(router, HOT, { thermal: 'critical' });
    expect(placed(router)).toBe('thermal_critical');
    announce(router, HOT, { thermal: 'serious' });
    expect(placed(router)).toBe(HOT);
  });

  test('a new temperature between two beats is believed at once', () => {
    const router = newRouter();
    announce(router, HOT, {});
    const { session, slots } = announcement();
    const report = { session, draining: false, slots };
    const conditions = { thermal: 'critical' } as const;
    router.fleet.report(HOT, { ...report, sequence: sequence + 1, conditions }, NOW);
    expect(gateOf(router, HOT)).toBe('thermal_critical');
    router.fleet.report(HOT, { ...report, sequence: sequence + 2 }, NOW);
    expect(gateOf(router, HOT)).toBeUndefined();
  });

  test.each<[string, Partial<Slot>, Conditions | undefined, string | undefined]>([
    ['more than its free memory', { memoryMb: 5_000 }, { freeMemoryMb: 4_999 }, 'free_memory'],
    ['all of its free memory', { memoryMb: 5_000 }, { freeMemoryMb: 5_000 }, undefined],
    ['any memory, while the free one is unknown', { memoryMb: 5_000 }, {}, undefined],
    ['an unknown memory', {}, { freeMemoryMb: 0 }, undefined],
    ['more than its computer has', { memoryMb: 80_000 }, undefined, 'model_too_large'],
    [
      'what it has in memory already',
      { memoryMb: 5_000, state: 'resident' },
      { freeMemoryMb: 0 },
      undefined,
    ],
    ['what it loads now', { memoryMb: 5_000, state: 'loading' }, { freeMemoryMb: 0 }, undefined],
  ])('that a model needs %s', (_, changes, conditions, gate) => {
    const router = newRouter();
    announce(router, HOT, conditions, [slot({ state: 'cold', ...changes })]);
    expect(gateOf(router, HOT)).toBe(gate);
  });

  test.each<[keyof Conditions, Conditions, (typeof COST_TERMS)[number]]>([
    ['thermal', { thermal: 'fair' }, 'heat'],
    ['memoryPressure', { memoryPressure: 0.5 }, 'memory'],
    ['cpuLoad', { cpuLoad: 1 }, 'cpu'],
    ['onBattery', { onBattery: true }, 'power'],
    ['lowPower', { lowPower: true }, 'power'],
  ])('%s gets fewer jobs, and the term is named', (_, conditions, term) => {
    const router = newRouter();
    announce(router, COOL);
    announce(router, HOT, conditions);
    expect(placed(router)).toBe(COOL);
    const serving = router.fleet.servingOf(HOT, 'sim');
    const terms = serving && costFor(serving, ask, NOW);
    expect(terms?.[term]).toBeGreaterThan(0);
    const penalties = COST_TERMS.slice(5).filter((other) => terms?.[other] !== undefined);
    expect(penalties).toEqual([term]);
  });
});

const conditions = fc.record(
  {
    thermal: fc.constantFrom(...THERMAL_STATES),
    freeMemoryMb: fc.nat({ max: 100_000 }),
    memoryPressure: fc.double({ min: 0, max: 1, noNaN: true }),
    cpuLoad: fc.double({ min: 0, max: 1, noNaN: true }),
    onBattery: fc.boolean(),
    lowPower: fc.boolean(),
  },
  { requiredKeys: [] },
);

test('no report about the computer makes a machine more attractive than no report', () => {
  fc.assert(
    fc.property(
      conditions,
      fc.constantFrom('resident' as const, 'cold' as const),
      fc.nat({ max: 4 }),
      (reported, state, running) => {
        const router = newRouter();
        const slots = [slot({ state, running, memoryMb: 5_000 })];
        announce(router, COOL, undefined, slots);
        announce(router, HOT, reported, slots);
        const [plain, claiming] = [COOL, HOT].map((id) => router.fleet.servingOf(id, 'sim'));
        if (plain === undefined || claiming === undefined) throw new Error('no slot');
        if (failedGate(plain, ask, NOW) !== undefined)
          expect(failedGate(claiming, ask, NOW)).toBeDefined();
        expect(penaltiesMs(plain, ask, NOW)).toBe(0);
        expect(penaltiesMs(claiming, ask, NOW)).toBeGreaterThanOrEqual(0);
        // The expected delay is what answers are compared with, so a report must not raise it.
        expect(expectedMs(claiming, 100, NOW)).toBe(expectedMs(plain, 100, NOW));
        const terms = costFor(claiming, ask, NOW);
        const sum = COST_TERMS.reduce((total, term) => total + (terms[term] ?? 0), 0);
        expect(sum).toBeCloseTo(
          expectedMs(claiming, 100, NOW) + penaltiesMs(claiming, ask, NOW),
          6,
        );
      },
    ),
  );
});

describe('a crowded machine', () => {
  // Alone, an answer has 30 tokens per second; three at once have at least 15 each.
  const slots = [slot({ decodeTps: 30, maxConcurrency: 8 })];
  const fast = [slot({ decodeTps: 300, maxConcurrency: 8, running: 7 })];

  test('gets no further answer while another machine is not crowded', () => {
    const router = newRouter();
    announce(router, COOL, undefined, [slot({ decodeTps: 30, maxConcurrency: 8, running: 3 })]);
    expect(gateOf(router, COOL)).toBe('crowded');
    announce(router, HOT, { thermal: 'serious' }, fast);
    expect(placed(router)).toBe(HOT);
  });

  test('serves if no other machine can, up to its own limit', () => {
    const router = newRouter();
    announce(router, COOL, undefined, slots);
    expect(Array.from({ length: 9 }, () => placed(router))).toEqual([
      ...Array.from({ length: 8 }, () => COOL),
      'busy',
    ]);
  });

  test('is no more crowded than others if the network wants no least speed', () => {
    const router = newRouter(0);
    announce(router, COOL, undefined, [slot({ decodeTps: 1, maxConcurrency: 8, running: 7 })]);
    expect(gateOf(router, COOL)).toBeUndefined();
  });

  test.each([
    ['15 tokens per second alone', { aloneTps: 15, measuredTps: undefined }, 1],
    ['1 token per second alone', { aloneTps: 1, measuredTps: undefined }, 1],
    ['30 tokens per second alone', { aloneTps: 30, measuredTps: undefined }, 3],
    ['50 tokens per second alone', { aloneTps: 50, measuredTps: undefined }, 6],
    ['50 alone, and 20 as measured', { aloneTps: 50, measuredTps: 20 }, 6],
    ['50 alone, and half of the least speed as measured', { aloneTps: 50, measuredTps: 7.5 }, 3],
  ])('generates %s', (_, speeds, streams) => {
    expect(uncrowdedStreams(speeds, 15)).toBe(streams);
  });

  test('is measured: a machine that claims more than it does becomes crowded sooner', () => {
    const router = newRouter();
    announce(router, COOL, undefined, slots);
    const before = router.fleet.servingOf(COOL, 'sim')?.uncrowded ?? 0;
    for (const account of ['one', 'other']) {
      jobs += 1;
      const request = reservation(jobs, { account });
      router.reserve({ request, requestedAt: NOW, answer: () => undefined }, NOW);
      const timing = { routeUs: 0, holdUs: 0, firstContentUs: 100_000, totalUs: 20_100_000 };
      router.jobEnded(
        {
          job: request.job,
          provider: COOL,
          result: 'completed',
          attempts: 1,
          timing,
          deliveredTokens: 100,
        },
        NOW,
      );
    }
    announce(router, COOL, undefined, slots);
    const after = router.fleet.servingOf(COOL, 'sim')?.uncrowded;
    expect(after).toBeLessThan(before);
  });
});
