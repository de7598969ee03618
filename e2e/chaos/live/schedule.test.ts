import { describe, expect, test } from 'vitest';
import { type Probe, STEADY_MS, servedFrom } from './outage.ts';
import { type ChaosFault, drawFaults, type Targets } from './schedule.ts';

const targets: Targets = {
  killed: ['the hub', 'Postgres', 'routing'],
  frozen: ['the hub', 'Postgres', 'routing'],
  'link silent': ['routing and the hub'],
  'link cut': ['routing and the hub'],
  'disk full': ['the hub', 'Postgres'],
  'disk slow': ['the hub', 'Postgres'],
  'clock off': ['routing'],
  'memory short': ['routing'],
  'packets lost': ['all processes'],
  'network down': ['all processes'],
};

function first(count: number, seed: number): ChaosFault[] {
  const faults: ChaosFault[] = [];
  for (const fault of drawFaults(seed, targets, 5_000)) {
    if (faults.length === count) break;
    faults.push(fault);
  }
  return faults;
}

describe('the faults of a seed', () => {
  test('are the same each time, and others for another seed', () => {
    expect(first(50, 7)).toEqual(first(50, 7));
    expect(first(50, 7)).not.toEqual(first(50, 8));
  });

  test('have every kind in each round, and every target of a kind before one is repeated', () => {
    const round = first(14, 3);
    expect(new Set(round.map(({ kind }) => kind))).toEqual(new Set(Object.keys(targets)));
    const killed = round.filter(({ kind }) => kind === 'killed').map(({ target }) => target);
    expect(killed.toSorted()).toEqual(targets.killed.toSorted());
  });

  test('last for at most as long as they may', () => {
    for (const { forMs } of first(200, 1))
      expect([500, forMs, 5_000]).toEqual(
        [500, forMs, 5_000].toSorted((one, other) => one - other),
      );
  });
});

describe('an ingress serves again', () => {
  const probe = (begunAt: number, isServed?: boolean): Probe => ({
    ingress: 'ingress-1',
    begunAt,
    ...(isServed !== undefined && { isServed, endedAt: begunAt + 50 }),
  });

  test('from the end of the first request after which all were served', () => {
    const probes = [probe(0, true), probe(100, false), probe(350, true), probe(600, true)];
    expect(servedFrom(probes, 50, 350 + STEADY_MS)).toBe(400);
  });

  test('not yet, if a request failed a moment ago, or none was served since the fault', () => {
    expect(servedFrom([probe(100, true), probe(350, false)], 50, 5_000)).toBeUndefined();
    expect(servedFrom([probe(100, true)], 200, 5_000)).toBeUndefined();
    expect(servedFrom([probe(100, true)], 50, 100 + STEADY_MS - 1)).toBeUndefined();
  });

  test('not before a request that waits for long', () => {
    const probes = [probe(100, true), probe(350), probe(600, true)];
    expect(servedFrom(probes, 50, 700 + STEADY_MS)).toBe(650);
    expect(servedFrom([probe(100, true), probe(350)], 50, 400 + STEADY_MS)).toBeUndefined();
  });
});
