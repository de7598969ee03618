import fc from 'fast-check';
import { expect, test } from 'vitest';
import { THERMAL_STATES, type ThermalState } from '#bus-schemas';
import { afterHeat, COOL, COOL_MS, HEAT_STEPS, SLOW_MS, WARM_MS } from './heat.ts';

const READ_MS = 5_000;

/** The steps of a machine that is read every 5 s, for each run of equal readings. */
function stepsAfter(readings: readonly (readonly [thermal: ThermalState, ms: number])[]) {
  let now = 0;
  let state = COOL;
  return readings.map(([thermal, ms]) => {
    for (const end = now + ms; now < end; now += READ_MS) state = afterHeat(state, thermal, now);
    return state.step;
  });
}

test('a serious temperature halves the requests and halves them again, and never closes the machine', () => {
  expect(
    stepsAfter([
      ['nominal', READ_MS],
      ['serious', READ_MS],
      ['serious', SLOW_MS - READ_MS],
      ['serious', READ_MS],
      ['serious', 100 * SLOW_MS],
    ]),
  ).toEqual(['full', 'half', 'half', 'quarter', 'quarter']);
});

test('a critical temperature closes the machine at once, and it opens in steps', () => {
  expect(
    stepsAfter([
      ['critical', READ_MS],
      ['nominal', COOL_MS],
      ['nominal', READ_MS],
      ['nominal', COOL_MS],
      ['nominal', COOL_MS],
    ]),
  ).toEqual(['closed', 'closed', 'quarter', 'half', 'full']);
});

test('a machine that stays warm recovers more slowly than one that is cool', () => {
  expect(
    stepsAfter([
      ['serious', READ_MS],
      ['fair', 2 * COOL_MS],
      ['fair', WARM_MS - 2 * COOL_MS],
    ]),
  ).toEqual(['half', 'half', 'full']);
});

test('a temperature that changes around a limit does not change the requests with it', () => {
  const changing = Array.from({ length: 100 }, (_, index) =>
    index % 2 === 0 ? (['serious', READ_MS] as const) : (['nominal', COOL_MS / 2] as const),
  );
  const steps = stepsAfter(changing);
  const changes = steps.filter((step, index) => step !== steps[index - 1]);
  expect(changes).toEqual(['half', 'quarter']);
});

const reading = fc.record({
  thermal: fc.constantFrom(...THERMAL_STATES),
  ms: fc.integer({ min: 1, max: 120_000 }),
});

test('after a critical reading the machine is closed, each step down lasts, and a cool machine recovers fully', () => {
  fc.assert(
    fc.property(fc.array(reading, { maxLength: 40 }), (readings) => {
      let now = 0;
      let state = COOL;
      let hotAt = Number.NEGATIVE_INFINITY;
      for (const { thermal, ms } of readings) {
        now += ms;
        const before = HEAT_STEPS.indexOf(state.step);
        state = afterHeat(state, thermal, now);
        const after = HEAT_STEPS.indexOf(state.step);
        if (thermal === 'serious' || thermal === 'critical') hotAt = now;
        if (thermal === 'critical') expect(state.step).toBe('closed');
        if (after < before) {
          expect(before - after).toBe(1);
          expect(now - hotAt).toBeGreaterThanOrEqual(COOL_MS);
        }
      }
      for (let look = 0; look < 4; look += 1) {
        now += COOL_MS;
        state = afterHeat(state, 'nominal', now);
      }
      expect(state.step).toBe('full');
    }),
  );
});
