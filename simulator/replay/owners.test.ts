import { expect, test } from 'vitest';
import { SeededRandom } from '#provider/engine/sampling/random.ts';
import { ABSENCES, absencesOf, presentShare } from './owners.ts';

const HOURS = 24;
const HOUR_MS = 3_600_000;

test('owners take a fifth to a third of the machine-hours away, in all three ways and at every hour', () => {
  const random = new SeededRandom(1);
  const fleet = Array.from({ length: 500 }, () => absencesOf(HOURS, random));
  const all = fleet.flat();
  expect(new Set(all.map(({ kind }) => kind))).toEqual(new Set(ABSENCES));
  for (const { at, ms } of all) {
    expect(at).toBeGreaterThanOrEqual(0);
    expect(ms).toBeGreaterThan(0);
    expect(at + ms).toBeLessThanOrEqual(HOURS * HOUR_MS);
  }
  const share = fleet.reduce((sum, absences) => sum + presentShare(absences, HOURS), 0) / 500;
  expect(share).toBeGreaterThan(0.66);
  expect(share).toBeLessThan(0.8);
  for (let hour = 0; hour < HOURS; hour += 1) {
    const now = hour * HOUR_MS;
    const away = fleet.filter((absences) =>
      absences.some(({ at, ms }) => at <= now && now < at + ms),
    );
    expect(away.length / 500).toBeGreaterThan(0.15);
    expect(away.length / 500).toBeLessThan(0.4);
  }
});

test('absences that overlap count once', () => {
  const absences = [
    { kind: 'asleep', at: 0, ms: 6 * HOUR_MS },
    { kind: 'in_use', at: 2 * HOUR_MS, ms: HOUR_MS },
    { kind: 'off_hours', at: 5 * HOUR_MS, ms: 7 * HOUR_MS },
  ] as const;
  expect(presentShare(absences, HOURS)).toBe(0.5);
});
