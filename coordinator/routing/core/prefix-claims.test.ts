import { expect, test } from 'vitest';
import {
  MAX_ANNOUNCED_PREFIXES,
  MAX_HELD_PREFIXES,
  prefixTagOf,
  type Reserved,
  SUITE_ID,
  type Usage,
} from '#bus-schemas';
import { announcement, idOf, reservation, slot } from './fleet-under-test.ts';
import { PrefixClaims } from './prefix-claims.ts';
import { Router } from './router.ts';

const [HOLDER, OTHER, LIAR] = [idOf('B'), idOf('C'), idOf('D')];
const KEY = 'k'.repeat(22);
const TAG = prefixTagOf(KEY);
const MINUTE_MS = 60_000;
const SLOT = slot({ contextTokens: 10_000, maxConcurrency: 4 });

const newRouter = () =>
  new Router({
    suite: SUITE_ID,
    queueDepth: 4,
    graceMs: 0,
    startedAt: 0,
    random: Math.random,
  });

interface Beat {
  readonly holds?: string[];
  readonly session?: string;
  readonly sequence?: number;
}

const beat = (router: Router, provider: string, now: number, changes: Beat = {}, own = SLOT) =>
  router.announced(provider, announcement(changes, [own]), now);

let jobs = 0;
/** Asks for a place for the next turn of the conversation, and returns the job and its machine. */
function nextTurn(
  router: Router,
  now: number,
): { job: string; provider: string | undefined; expectedMs: number } {
  jobs += 1;
  let reply: Reserved | undefined;
  const request = reservation(jobs, {
    promptTokens: 1_000,
    prefixes: [
      { key: `new ${jobs}`, tokens: 980 },
      { key: KEY, tokens: 900 },
    ],
  });
  const answer = (given: Reserved) => {
    reply = given;
  };
  router.reserve({ request, requestedAt: now, answer }, now);
  const winner = reply?.ok ? reply.candidates[0] : undefined;
  return {
    job: request.job,
    provider: winner?.provider,
    expectedMs: winner?.expectedFirstContentMs ?? 0,
  };
}

const usageOf = (cachedTokens: number): Usage => ({
  promptTokens: 1_000,
  cachedTokens,
  completionTokens: 1,
});

/** Ends a job as its machine reports it. */
function end(
  router: Router,
  {
    job,
    provider,
    cachedTokens,
    expectedMs = 100,
  }: { job: string; provider: string; cachedTokens: number; expectedMs?: number },
  now: number,
): void {
  const firstContentUs = Math.round(1_000 * expectedMs);
  const timing = { routeUs: 0, holdUs: 0, firstContentUs, totalUs: firstContentUs };
  router.jobEnded(
    {
      job,
      provider,
      result: 'completed',
      attempts: 1,
      timing,
      deliveredTokens: 1,
      usage: usageOf(cachedTokens),
    },
    now,
  );
}

test('a router that has just started sends a conversation to the machine that has it', () => {
  for (let round = 0; round < 20; round += 1) {
    const router = newRouter();
    beat(router, HOLDER, 0, { holds: [TAG] });
    beat(router, OTHER, 0, { holds: ['elsewhere0'] });
    expect(nextTurn(router, 1_000).provider).toBe(HOLDER);
  }
});

test('a machine that was away gets its conversation back, although another one is as free', () => {
  for (let round = 0; round < 20; round += 1) {
    const router = newRouter();
    for (const provider of [HOLDER, OTHER]) beat(router, provider, 0);
    // The router does not remember any more where it was read.
    const now = 30 * MINUTE_MS;
    beat(router, OTHER, now, { sequence: 2 });
    beat(router, HOLDER, now, { session: 's_ba9876543210', holds: [TAG] });
    expect(nextTurn(router, now).provider).toBe(HOLDER);
  }
});

test('without a claim, the same conversation goes to both machines', () => {
  const chosen = new Set<string | undefined>();
  for (let round = 0; round < 60; round += 1) {
    const router = newRouter();
    beat(router, HOLDER, 0);
    beat(router, OTHER, 0);
    chosen.add(nextTurn(router, 1_000).provider);
  }
  expect(chosen).toEqual(new Set([HOLDER, OTHER]));
});

test('a claim does not take a conversation away from the machine that was seen with it', () => {
  const router = newRouter();
  for (const provider of [HOLDER, OTHER, LIAR]) beat(router, provider, 0);
  const first = nextTurn(router, 1_000);
  end(router, { job: first.job, provider: first.provider ?? '', cachedTokens: 0 }, 2_000);
  for (const provider of [HOLDER, OTHER, LIAR].filter((each) => each !== first.provider))
    beat(router, provider, 3_000, { sequence: 2, holds: [TAG] });
  const again = nextTurn(router, 4_000);
  expect(again.provider).toBe(first.provider);
});

test('if the machine that was seen with it is away, one that claims it gets the conversation', () => {
  for (let round = 0; round < 20; round += 1) {
    const router = newRouter();
    beat(router, HOLDER, 0);
    const first = nextTurn(router, 1_000);
    end(router, { job: first.job, provider: HOLDER, cachedTokens: 0 }, 2_000);
    beat(router, OTHER, 3_000);
    beat(router, LIAR, 3_000, { holds: [TAG] });
    router.fleet.lost(HOLDER);
    expect(nextTurn(router, 4_000).provider).toBe(LIAR);
  }
});

/**
 * The machines of five turns of a conversation that the slower one of two machines claims. `cachedTokens`
 * is what that machine has of it.
 */
function machinesOfTurns(cachedTokens: number): (string | undefined)[] {
  const router = newRouter();
  return Array.from({ length: 5 }, (_, turn) => {
    // The router forgets what it has observed itself.
    const now = (turn + 1) * (10 * MINUTE_MS + 1);
    const sequence = turn + 1;
    beat(router, OTHER, now, { sequence });
    beat(router, LIAR, now, { sequence, holds: [TAG] }, { ...SLOT, prefillTps: 875 });
    const { job, provider = '', expectedMs } = nextTurn(router, now);
    end(
      router,
      { job, provider, cachedTokens: provider === LIAR ? cachedTokens : 0, expectedMs },
      now,
    );
    return provider;
  });
}

test('a liar loses the preference after three requests, and a machine that tells the truth keeps it', () => {
  expect(machinesOfTurns(896)).toEqual([LIAR, LIAR, LIAR, LIAR, LIAR]);
  expect(machinesOfTurns(0)).toEqual([LIAR, LIAR, LIAR, OTHER, OTHER]);
});

const prefixes = [{ key: KEY, tokens: 900 }];
const ACCOUNT = 'acct_ann';

test('each wrong claim halves what a machine’s claims count for an account, and time restores them', () => {
  const claims = new PrefixClaims();
  const counted = (now: number) => {
    claims.claimed(LIAR, [TAG], now);
    return claims.find(prefixes, ACCOUNT, now)[0];
  };
  const first = counted(0);
  expect(first).toMatchObject({ provider: LIAR, tokens: 900 });
  if (first === undefined) throw new Error('the claim is not known');
  claims.proved(first, { account: ACCOUNT, usage: usageOf(0) }, 0);
  expect(claims.find(prefixes, ACCOUNT, 0)).toEqual([]);
  expect(counted(1)?.tokens).toBe(450);
  claims.proved(first, { account: ACCOUNT, usage: usageOf(32) }, 2);
  expect(counted(3)?.tokens).toBe(225);
  claims.proved(first, { account: ACCOUNT, usage: usageOf(32) }, 4);
  expect(counted(5)).toBeUndefined();
  expect(counted(31 * MINUTE_MS)?.tokens).toBe(225);
  claims.proved(first, { account: ACCOUNT, usage: usageOf(896) }, 31 * MINUTE_MS);
  expect(counted(32 * MINUTE_MS)?.tokens).toBe(450);
});

test('a claim that is not repeated ends, and so do those of a machine that has left', () => {
  const claims = new PrefixClaims();
  claims.claimed(HOLDER, [TAG], 0);
  expect(claims.find(prefixes, ACCOUNT, 9 * MINUTE_MS)).toHaveLength(1);
  expect(claims.find(prefixes, ACCOUNT, 10 * MINUTE_MS)).toEqual([]);
  claims.claimed(HOLDER, [TAG], 11 * MINUTE_MS);
  claims.sweep((provider) => provider !== HOLDER);
  expect(claims.find(prefixes, ACCOUNT, 11 * MINUTE_MS)).toEqual([]);
  expect(claims.size).toBe(0);
});

test('one account cannot make a machine lose the preference for others, but three can', () => {
  const claims = new PrefixClaims();
  const counted = (account: string) => {
    claims.claimed(LIAR, [TAG], 0);
    return claims.find(prefixes, account, 0)[0];
  };
  const first = counted('acct_ann');
  if (first === undefined) throw new Error('the claim is not known');
  const lie = (account: string) => claims.proved(first, { account, usage: usageOf(0) }, 0);
  for (let time = 0; time < 10; time += 1) lie('acct_ann');
  expect(counted('acct_ann')).toBeUndefined();
  expect(counted('acct_bob')?.tokens).toBe(450);
  lie('acct_bob');
  lie('acct_eve');
  expect(counted('acct_joe')).toBeUndefined();
});

test('the first four machines of a beginning stay, unless they lied to three accounts', () => {
  const claims = new PrefixClaims();
  const machines = ['B', 'C', 'D', 'E', 'F', 'G'].map(idOf);
  const holders = () => claims.find(prefixes, ACCOUNT, 0).map(({ provider }) => provider);
  for (const machine of machines) claims.claimed(machine, [TAG], 0);
  expect(holders()).toEqual(machines.slice(0, 4));
  const [liar] = claims.find(prefixes, ACCOUNT, 0);
  for (const account of ['acct_bob', 'acct_eve', 'acct_joe'])
    if (liar) claims.proved(liar, { account, usage: usageOf(0) }, 0);
  claims.claimed(HOLDER, [TAG], 0);
  claims.claimed(machines[5] as string, [TAG], 0);
  expect(holders()).toEqual([...machines.slice(1, 4), machines[5]]);
});

test('one machine has at most 512 claims, and all have at most 100,000', () => {
  const claims = new PrefixClaims();
  const tag = (n: number) => `tag${String(n).padStart(7, '0')}`;
  for (let from = 0; from < 5_000; from += MAX_ANNOUNCED_PREFIXES)
    claims.claimed(
      LIAR,
      Array.from({ length: MAX_ANNOUNCED_PREFIXES }, (_, i) => tag(from + i)),
      0,
    );
  expect(claims.size).toBe(MAX_HELD_PREFIXES);
  for (let machine = 0; machine < 200; machine += 1)
    claims.claimed(
      `machine ${machine}`,
      Array.from({ length: MAX_HELD_PREFIXES }, (_, i) => tag(10_000 + 1_000 * machine + i)),
      0,
    );
  expect(claims.size).toBe(100_000);
});
