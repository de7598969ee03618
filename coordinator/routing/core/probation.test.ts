import { describe, expect, test } from 'vitest';
import { type Reserve, type Reserved, type Slot, SUITE_ID } from '#bus-schemas';
import { announcement, idOf, reservation, slot } from './fleet-under-test.ts';
import { PLACEMENTS_PER_TURN } from './probation.ts';
import { Router } from './router.ts';

/** Machines that a person has linked recently, beside machines that have passed canaries. */
const [PROVEN, NEWCOMER] = [idOf('B'), idOf('C')];
const NOW = 10_000;
const MANY = { maxConcurrency: 1_000, freeTokens: 1e8 };

const newRouter = () =>
  new Router({ suite: SUITE_ID, queueDepth: 4, graceMs: 0, startedAt: 0, random: () => 0 });
const add = (
  router: Router,
  provider: string,
  { isOnProbation = false, ...changes }: Partial<Slot> & { isOnProbation?: boolean } = {},
): void =>
  void router.fleet.announce(provider, announcement({}, [slot({ ...MANY, ...changes })]), NOW, {
    level: 'self_signed',
    weights: undefined,
    isOnProbation,
    isPaused: false,
  });

let jobs = 0;
function place(router: Router, changes: Partial<Reserve> = {}): string | undefined {
  jobs += 1;
  const request = reservation(jobs, changes);
  let reply: Reserved | undefined;
  const answer = (given: Reserved) => {
    reply = given;
  };
  router.reserve({ request, requestedAt: NOW, answer }, NOW);
  return reply?.ok ? reply.candidates[0]?.provider : reply?.code;
}
const shareOf = (router: Router, provider: string, requests: number, changes?: Partial<Reserve>) =>
  Array.from({ length: requests }, () => place(router, changes)).filter(
    (winner) => winner === provider,
  ).length;

describe('a machine on probation', () => {
  test('gets at most one of twenty placements, however fast it claims to be', () => {
    const router = newRouter();
    add(router, PROVEN);
    add(router, NEWCOMER, { isOnProbation: true, decodeTps: 2_000, prefillTps: 20_000 });
    expect(shareOf(router, NEWCOMER, 2 * PLACEMENTS_PER_TURN)).toBe(2);
  });

  test('shares this one placement with all other machines on probation', () => {
    const router = newRouter();
    add(router, PROVEN);
    for (const letter of ['C', 'D', 'E', 'F'])
      add(router, idOf(letter), { isOnProbation: true, decodeTps: 2_000, prefillTps: 20_000 });
    expect(shareOf(router, PROVEN, 2 * PLACEMENTS_PER_TURN)).toBe(2 * PLACEMENTS_PER_TURN - 2);
  });

  test.each<[string, Partial<Reserve>]>([
    ['meets a wished speed that no proven machine meets', { prefers: { minTokensPerSecond: 500 } }],
    ['meets a wished delay that no proven machine meets', { prefers: { maxFirstContentMs: 50 } }],
    ['meets a deadline that no proven machine meets', { firstContentMs: 50 }],
    ['is the first with sort: throughput', { prefers: { sort: 'throughput' } }],
  ])('gets no more because it %s', (_, changes) => {
    const router = newRouter();
    add(router, PROVEN);
    add(router, NEWCOMER, { isOnProbation: true, decodeTps: 2_000, prefillTps: 20_000 });
    expect(shareOf(router, NEWCOMER, 2 * PLACEMENTS_PER_TURN, changes)).toBeLessThanOrEqual(2);
  });

  test('is never an alternate of a job', () => {
    const router = newRouter();
    add(router, PROVEN);
    add(router, NEWCOMER, { isOnProbation: true });
    expect(place(router, { exclude: [PROVEN] })).toBe(NEWCOMER);
    const replies: Reserved[] = [];
    const request = {
      job: 'job_1000000000000000000000',
      account: 'acct_0000',
      model: 'sim',
      builds: ['sim'],
      exclude: [],
      promptTokens: 1,
      maxOutputTokens: 1,
      patienceMs: 0,
    };
    router.reserve({ request, requestedAt: NOW, answer: (given) => void replies.push(given) }, NOW);
    expect(replies[0]?.ok && replies[0].candidates.map(({ provider }) => provider)).toEqual([
      PROVEN,
    ]);
  });

  test('waits its turn while every proven machine is busy', () => {
    const router = newRouter();
    add(router, PROVEN, { maxConcurrency: 1 });
    add(router, NEWCOMER, { isOnProbation: true });
    expect([place(router), place(router)]).toEqual([PROVEN, 'saturated']);
  });

  test.each<[string, (router: Router) => void, Partial<Reserve>]>([
    ['there is no proven machine', () => undefined, {}],
    [
      'no proven machine has a context long enough for the request',
      (router) => add(router, PROVEN, { contextTokens: 150 }),
      {},
    ],
    [
      'the proven machine is draining',
      (router) =>
        void router.fleet.announce(PROVEN, announcement({ draining: true }, [slot(MANY)]), NOW),
      {},
    ],
    [
      'the caller names it, as the owner of a machine does',
      (router) => add(router, PROVEN),
      { only: [NEWCOMER] },
    ],
    ['the caller prefers it', (router) => add(router, PROVEN), { prefers: { order: [NEWCOMER] } }],
  ])('serves without limit if %s', (_, prepare, changes) => {
    const router = newRouter();
    add(router, NEWCOMER, { isOnProbation: true });
    prepare(router);
    expect(shareOf(router, NEWCOMER, 10, changes)).toBe(10);
  });

  test('gets its full share with the first message after its probation', () => {
    const router = newRouter();
    add(router, PROVEN);
    add(router, NEWCOMER, { isOnProbation: true, decodeTps: 2_000, prefillTps: 20_000 });
    expect(place(router)).toBe(PROVEN);
    add(router, NEWCOMER, { decodeTps: 2_000, prefillTps: 20_000 });
    expect(place(router)).toBe(NEWCOMER);
  });
});
