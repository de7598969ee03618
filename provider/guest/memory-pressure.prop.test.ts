import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  CALM_MS,
  MAX_CALM_MS,
  type ModelUse,
  PRESSURE_LEVELS,
  RELIEF_STEPS,
  type ReliefOrder,
  relieve,
  WITHOUT_PRESSURE,
} from './memory-pressure.ts';

const model = (build: string) =>
  fc.record({ build: fc.constant(build), isInMemory: fc.boolean(), requests: fc.nat(2) });
const observation = fc.record({
  level: fc.constantFrom(...PRESSURE_LEVELS),
  models: fc.tuple(model('a'), model('b'), model('c')),
  afterMs: fc.integer({ min: 100, max: 20_000 }),
});

test('a machine makes room in the order of the steps, ends answers only as the last resort, and opens again only after calm', () => {
  fc.assert(
    fc.property(fc.array(observation, { maxLength: 80 }), (history) => {
      let state = WITHOUT_PRESSURE;
      let now = 0;
      let pressedAt = 0;
      for (const { level, models, afterMs } of history) {
        now += afterMs;
        const before = RELIEF_STEPS.indexOf(state.step);
        const relieved = relieve(state, { level, models }, now);
        const change = RELIEF_STEPS.indexOf(relieved.state.step) - before;
        expect(Math.abs(change)).toBeLessThanOrEqual(1);
        if (change > 0) expect(level).not.toBe('normal');
        if (change < 0) expect(now - pressedAt).toBeGreaterThanOrEqual(CALM_MS);
        if (level !== 'normal') pressedAt = now;
        const named = relieved.orders.filter((order) => order.t !== 'empty_caches');
        expect(named.length).toBeLessThanOrEqual(1);
        for (const order of named) expectDue(order, { models, level, before });
        state = relieved.state;
      }
      const rest = RELIEF_STEPS.length - 1;
      for (let i = 0; i < rest; i += 1) {
        now += MAX_CALM_MS;
        const { state: calmer, orders } = relieve(state, { level: 'normal', models: [] }, now);
        expect(orders).toEqual([]);
        state = calmer;
      }
      expect(state.step).toBe('none');
    }),
    { numRuns: 500 },
  );
});

interface At {
  readonly models: readonly ModelUse[];
  readonly level: string;
  /** Place of the step before the order. */
  readonly before: number;
}

function expectDue(order: ReliefOrder & { build: string }, { models, level, before }: At): void {
  const { isInMemory, requests } = models.find(({ build }) => build === order.build) as ModelUse;
  expect(isInMemory).toBe(true);
  expect(before).toBeGreaterThanOrEqual(RELIEF_STEPS.indexOf('refuse'));
  if (order.t === 'unload') return expect(requests).toBe(0);
  expect(before).toBeGreaterThanOrEqual(RELIEF_STEPS.indexOf('unload'));
  expect(requests).toBeGreaterThan(0);
  expect(models.some((one) => one.isInMemory && one.requests === 0)).toBe(false);
  expect(level).toBe('critical');
}

const busy = (build: string, requests: number): ModelUse => ({ build, isInMemory: true, requests });

/** The orders at each time, without those that empty caches. */
function ordersOf(level: 'high' | 'critical', at: readonly number[], models: readonly ModelUse[]) {
  let state = WITHOUT_PRESSURE;
  return at.map((now) => {
    const relieved = relieve(state, { level, models }, now);
    state = relieved.state;
    return [state.step, ...relieved.orders.slice(1).map((order) => 'build' in order && order)];
  });
}

test('the model with the fewest requests is ended first', () => {
  expect(ordersOf('critical', [0, 2_000, 4_000, 6_000], [busy('a', 3), busy('b', 1)])).toEqual([
    ['caches'],
    ['refuse'],
    ['unload'],
    ['end', { t: 'end', build: 'b' }],
  ]);
});

test('the model that was used least recently is unloaded first', () => {
  const used = relieve(WITHOUT_PRESSURE, { level: 'normal', models: [busy('a', 1)] }, 0).state;
  const models = [busy('a', 0), busy('b', 0)];
  const later = relieve(used, { level: 'normal', models: [busy('a', 0), busy('b', 1)] }, 500).state;
  const emptied = relieve(later, { level: 'high', models }, 1_000);
  expect(emptied.orders).toEqual([{ t: 'empty_caches' }]);
  const refusing = relieve(emptied.state, { level: 'high', models }, 11_000).state;
  expect(relieve(refusing, { level: 'high', models }, 21_000).orders).toEqual([
    { t: 'empty_caches' },
    { t: 'unload', build: 'a' },
  ]);
});

test('high pressure never ends an answer, however long it lasts', () => {
  const times = Array.from({ length: 60 }, (_, i) => i * 10_000);
  expect(ordersOf('high', times, [busy('a', 1)]).at(-1)).toEqual(['unload']);
});

test('a machine whose memory becomes short each time that it opens waits longer each time', () => {
  let state = WITHOUT_PRESSURE;
  let now = 0;
  const closedFor: number[] = [];
  while (closedFor.length < 6) {
    while (state.step !== 'refuse') {
      now += 2_000;
      state = relieve(state, { level: 'critical', models: [] }, now).state;
    }
    const closedAt = now;
    while (state.step === 'refuse') {
      now += 1_000;
      state = relieve(state, { level: 'normal', models: [] }, now).state;
    }
    closedFor.push((now - closedAt) / 1_000);
  }
  expect(closedFor).toEqual([15, 30, 60, 120, 120, 120]);
  const later = relieve(state, { level: 'critical', models: [] }, now + 3_600_000).state;
  expect([later.step, later.calmMs]).toEqual(['refuse', CALM_MS]);
});
