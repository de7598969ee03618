import { beforeEach, expect, test } from 'vitest';
import { SUITE_ID } from '#bus-schemas';
import type { FleetModel } from './desired-builds.ts';
import { announcement, idOf, reservation, slot } from './fleet-under-test.ts';
import { Router } from './router.ts';

const MINUTE_MS = 60_000;
const DIGEST = new Uint8Array(32).fill(7);
const OLD = 'qwen-4bit';
const NEW = 'qwen-8bit';

const rolledOut: FleetModel = {
  id: 'qwen',
  builds: [NEW, OLD],
  previousBuild: OLD,
  repository: `mlx-community/${OLD}`,
  weights: new Map([[NEW, DIGEST]]),
  memoryGb: 32,
};
const inDemand: FleetModel = { ...rolledOut, builds: [NEW], previousBuild: undefined };

let router: Router;
let sequence: number;
beforeEach(() => {
  router = new Router({
    suite: SUITE_ID,
    queueDepth: 0,
    graceMs: 0,
    startedAt: 0,
    random: () => 0,
  });
  sequence = 0;
});

function announce(
  letter: string,
  builds: readonly string[],
  changes: Parameters<typeof announcement>[0] = { prefetches: true },
): void {
  sequence += 1;
  router.fleet.announce(
    idOf(letter),
    announcement(
      { sequence, ...changes },
      builds.map((build) => slot({ build })),
    ),
    0,
  );
}

const wantedBy = (letter: string) => {
  const machine = router.fleet.provider(idOf(letter));
  return machine === undefined ? [] : router.desired.desiredOf(machine);
};
const machinesAsked = (letters: string) =>
  [...letters].filter((letter) => wantedBy(letter).length > 0).join('');

test('a wanted build is shown also while no machine may fetch it', () => {
  router.desired.models = [rolledOut];
  announce('B', [OLD], {});
  router.renewDesired(0);
  expect(machinesAsked('B')).toBe('');
  expect(router.desired.wanted).toMatchObject([{ build: NEW, reason: 'rollout' }]);
  announce('B', [OLD, NEW], {});
  router.renewDesired(MINUTE_MS);
  expect(router.desired.wanted).toEqual([]);
});

test('a rollout asks one machine at a time that fetches by itself, and the next one when it has the build', () => {
  router.desired.models = [rolledOut];
  for (const letter of 'BCD') announce(letter, [OLD]);
  router.renewDesired(0);
  expect(wantedBy('B')).toEqual([
    {
      model: 'qwen',
      build: NEW,
      repository: `mlx-community/${NEW}`,
      weights: DIGEST,
      reason: 'rollout',
    },
  ]);
  expect(machinesAsked('BCD')).toBe('B');
  router.renewDesired(MINUTE_MS);
  expect(machinesAsked('BCD')).toBe('B');
  announce('B', [OLD, NEW]);
  router.renewDesired(2 * MINUTE_MS);
  expect(machinesAsked('BCD')).toBe('C');
  announce('C', [OLD, NEW]);
  announce('D', [OLD, NEW]);
  router.renewDesired(3 * MINUTE_MS);
  expect(machinesAsked('BCD')).toBe('');
});

test('another machine is asked if the first has not followed within half an hour', () => {
  const draws = [0, 0.9];
  router = new Router({
    suite: SUITE_ID,
    queueDepth: 0,
    graceMs: 0,
    startedAt: 0,
    random: () => draws.shift() ?? 0,
  });
  router.desired.models = [rolledOut];
  for (const letter of 'BC') announce(letter, [OLD]);
  router.renewDesired(0);
  router.renewDesired(29 * MINUTE_MS);
  expect(machinesAsked('BC')).toBe('B');
  router.renewDesired(30 * MINUTE_MS);
  expect(machinesAsked('BC')).toBe('C');
});

test('owners who are asked get the hint, and machines that ignore it, are private or too small get none', () => {
  router.desired.models = [rolledOut];
  announce('B', [OLD], { prefetches: false });
  announce('C', [OLD], { prefetches: false });
  announce('D', [OLD], {});
  announce('E', [OLD], { prefetches: false, privateOnly: true });
  announce('F', [OLD], {
    prefetches: true,
    machine: { chip: 'M', memoryGb: 16, bandwidthGbps: 100, simulated: true },
  });
  announce('G', ['other'], { prefetches: true });
  router.renewDesired(0);
  expect(machinesAsked('BCDEFG')).toBe('BC');
});

/** Requests for the build, of which more come than its machines can answer. */
function flood(from: number, to: number): void {
  for (let at = from, job = from; at < to; at += 200, job += 1)
    router.reserve(
      { request: reservation(job, { builds: [NEW] }), requestedAt: at, answer: () => {} },
      at,
    );
}

test('a model in demand is wanted on a machine without it when its machines have been too few for five minutes', () => {
  router.desired.models = [inDemand];
  announce('B', ['other']);
  flood(0, MINUTE_MS);
  router.renewDesired(MINUTE_MS);
  expect(machinesAsked('B')).toBe('');
  flood(MINUTE_MS, 6 * MINUTE_MS);
  router.renewDesired(6 * MINUTE_MS);
  expect(wantedBy('B')).toMatchObject([{ build: NEW, reason: 'demand' }]);
  announce('B', ['other', NEW]);
  router.renewDesired(6 * MINUTE_MS);
  expect(machinesAsked('B')).toBe('');
  // Without requests nothing is wanted any more.
  announce('C', ['other']);
  router.renewDesired(60 * MINUTE_MS);
  expect(machinesAsked('C')).toBe('');
});

test.each([
  ['no digest', { weights: new Map() }],
  ['no repository', { repository: undefined }],
])(
  'a build with %s in the catalogue is wanted nowhere, because no machine could check it',
  (_, changes) => {
    router.desired.models = [{ ...rolledOut, ...changes }];
    announce('B', [OLD]);
    router.renewDesired(0);
    expect(machinesAsked('B')).toBe('');
  },
);

test('wants a bounded number of builds at the same time', () => {
  router.desired.models = Array.from({ length: 30 }, (_, i) => ({
    ...rolledOut,
    id: `qwen-${i}`,
    builds: [`new-${i}`, OLD],
    weights: new Map([[`new-${i}`, DIGEST]]),
  }));
  for (let i = 0; i < 40; i += 1) {
    const letter = String.fromCharCode(66 + (i % 20));
    announce(letter, [OLD]);
  }
  router.renewDesired(0);
  const named = [...'BCDEFGHIJKLMNOPQRSTU'].flatMap((letter) => wantedBy(letter));
  expect(new Set(named.map(({ build }) => build)).size).toBeLessThanOrEqual(16);
  expect(wantedBy('B').length).toBe(4);
});
