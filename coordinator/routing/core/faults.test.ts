import { describe, expect, test } from 'vitest';
import { Faults } from './faults.ts';
import type { StoredFaults } from './machine-memory.ts';

const P = 'provider';
const failing = (times: number, now = 0) => {
  const faults = new Faults();
  for (let fault = 0; fault < times; fault += 1) faults.failed(P, now);
  return faults;
};

test('two faults change nothing, three keep jobs away for a pause', () => {
  expect(failing(2).isOpen(P, 0)).toBe(false);
  const faults = failing(3);
  expect(faults.isOpen(P, 4_999)).toBe(true);
  expect(faults.isOpen(P, 5_000)).toBe(false);
});

test('faults fade with time', () => {
  const faults = failing(2);
  faults.failed(P, 10 * 60_000);
  expect(faults.isOpen(P, 10 * 60_000)).toBe(false);
});

test('after the pause one job tries the provider, and completing it clears the record', () => {
  const faults = failing(3);
  faults.chosen(P, 5_000);
  expect(faults.isOpen(P, 5_001)).toBe(true);
  faults.served(P, 6_000);
  expect(faults.isOpen(P, 6_000)).toBe(false);
  faults.failed(P, 6_000);
  expect(faults.isOpen(P, 6_000)).toBe(false);
});

test('a failed trial doubles the pause', () => {
  const faults = failing(3);
  faults.chosen(P, 5_000);
  faults.failed(P, 6_000);
  expect(faults.isOpen(P, 15_999)).toBe(true);
  expect(faults.isOpen(P, 16_000)).toBe(false);
});

test('a trial whose end is never reported does not keep jobs away permanently', () => {
  const faults = failing(3);
  faults.chosen(P, 5_000);
  expect(faults.isOpen(P, 5_000 + 30_000)).toBe(false);
});

test('an older job that completes during the pause does not end the pause', () => {
  const faults = failing(3);
  faults.served(P, 1_000);
  expect(faults.isOpen(P, 1_001)).toBe(true);
});

test('a refusal despite reported capacity causes a short pause, which doubles until a job completes', () => {
  const faults = new Faults();
  const pauseAfter = (now: number) => {
    faults.refused(P, now);
    return faults.record(P).coolUntil - now;
  };
  expect([0, 1, 2].map(pauseAfter)).toEqual([250, 500, 1_000]);
  for (let more = 0; more < 10; more += 1) pauseAfter(3);
  expect(pauseAfter(4)).toBe(30_000);
  faults.served(P, 5);
  expect(pauseAfter(6)).toBe(250);
  expect(faults.isOpen(P, 6)).toBe(false);
});

describe('the list for operators', () => {
  test('names machines that get no jobs, with cause, beginning and end', () => {
    const faults = new Faults();
    for (let fault = 0; fault < 3; fault += 1) faults.failed('A', 1_000, 'stalled');
    faults.refused('B', 1_100, 'queue_full');
    faults.failed('C', 1_000, 'stalled');
    expect(faults.open(1_200)).toEqual([
      { provider: 'A', state: 'paused', sinceMs: 200, restMs: 4_800, times: 1, because: 'stalled' },
      {
        provider: 'B',
        state: 'cooling',
        sinceMs: 100,
        restMs: 150,
        times: 1,
        because: 'queue_full',
      },
    ]);
    faults.chosen('A', 6_500);
    expect(faults.open(6_600)).toMatchObject([
      { provider: 'A', state: 'tried', because: 'stalled' },
    ]);
    faults.served('A', 6_700);
    expect(faults.open(6_800)).toEqual([]);
  });

  test('keeps the cause when another router restores the record', () => {
    const faults = new Faults();
    for (let fault = 0; fault < 3; fault += 1) faults.failed('A', 1_000, 'stalled');
    const stored = faults.stored('A', 2_000);
    const later = new Faults();
    later.restore('A', stored as StoredFaults, { at: 52_000, now: 53_000, isOwn: false });
    expect(later.open(53_000)).toMatchObject([{ sinceMs: 2_000, because: 'stalled' }]);
  });
});
