import { expect, test } from 'vitest';
import { Calibration } from './calibration.ts';

const known = () => true;
/** A fleet whose answers all begin twice as late as predicted, except for one machine. */
function fleet(odd: number, answers = 40): Calibration {
  const calibration = new Calibration();
  for (let round = 0; round < answers; round += 1) {
    for (let machine = 0; machine < 20; machine += 1)
      calibration.learn(`machine ${machine}`, { expectedMs: 1_000, tookMs: 2_000 }, 0);
    calibration.learn('odd', { expectedMs: 1_000, tookMs: 2_000 * odd }, 0);
  }
  return calibration;
}

test('an error that all machines share changes nothing, nor does a small one', () => {
  for (const odd of [0.05, 1, 2.5]) {
    const calibration = fleet(odd);
    expect(['machine 0', 'odd'].map((name) => calibration.of(name).slowdown)).toEqual([1, 1]);
  }
});

test('a machine ten times as late as the others counts as that much slower, and is tried again later', () => {
  const calibration = fleet(10);
  expect(calibration.of('odd').slowdown).toBeGreaterThan(8);
  expect(calibration.of('odd').slowdown).toBeLessThan(12);
  expect(calibration.of('machine 0').slowdown).toBe(1);
  calibration.sweep(10 * 60_000, known);
  expect(calibration.of('odd').slowdown).toBe(1);
});

test('a single late answer changes nothing, and no machine counts as over a thousand times slower', () => {
  expect(fleet(1, 10).of('odd').slowdown).toBe(1);
  const calibration = fleet(1, 10);
  calibration.learn('odd', { expectedMs: 1_000, tookMs: 60_000 }, 0);
  expect(calibration.of('odd').slowdown).toBe(1);
  for (let answer = 0; answer < 40; answer += 1)
    calibration.learn('odd', { expectedMs: 1_000, tookMs: 1e9 }, 0);
  expect(calibration.of('odd').slowdown).toBe(1_000);
});

test('a claim that is false by a factor of 200 is noticed within three answers, and mostly corrected in six', () => {
  const calibration = fleet(1, 40);
  const factors = [];
  for (let answer = 0; answer < 6; answer += 1) {
    calibration.learn('newcomer', { expectedMs: 100, tookMs: 200 * 200 }, 0);
    factors.push(calibration.of('newcomer').slowdown);
  }
  expect(factors[0]).toBeLessThan(4);
  expect(factors[2]).toBeGreaterThan(20);
  expect(factors[5]).toBeGreaterThan(50);
});
