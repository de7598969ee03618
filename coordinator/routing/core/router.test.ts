import { describe, expect, test } from 'vitest';
import { type Announcement, type Reserve, type Reserved, type Slot, SUITE_ID } from '#bus-schemas';
import { announcement, idOf, reservation, slot } from './fleet-under-test.ts';
import { Router } from './router.ts';

const ask = (changes: Partial<Reserve> = {}): Reserve => reservation(0, changes);
const newRouter = (random = () => 0) =>
  new Router({ suite: SUITE_ID, queueDepth: 4, graceMs: 6_000, startedAt: 0, random });
const LATER = 10_000;

function reserve(router: Router, request: Reserve, now = LATER): Reserved | undefined {
  let reply: Reserved | undefined;
  const answer = (given: Reserved) => {
    reply = given;
  };
  router.reserve({ request, requestedAt: now, answer }, now);
  return reply;
}
const winner = (reply: Reserved | undefined) =>
  reply?.ok ? reply.candidates[0]?.provider : reply?.code;

test('the candidates have the terms of their cost only if the caller asked for them', () => {
  const router = newRouter();
  for (const letter of ['B', 'C'])
    router.fleet.announce(
      idOf(letter),
      announcement({}, [slot({ state: 'cold', prefillTps: 3_000 })]),
      LATER,
    );
  const termsOf = (reply: Reserved | undefined) =>
    reply?.ok ? reply.candidates.map(({ terms }) => terms) : [];
  expect(termsOf(reserve(router, ask()))).toEqual([undefined, undefined]);
  const other = reservation(1, { explains: true });
  const [first, second] = termsOf(reserve(router, other));
  expect(Object.keys(first ?? {})).toEqual(['load', 'queue', 'prompts', 'prefill', 'decode']);
  expect(first).toMatchObject({ load: 5_000, prefill: 33.3 });
  expect(second).toBeDefined();
});

test('a reservation states why its machine was chosen: the terms, and the machines that could not serve', () => {
  const router = newRouter();
  const announce = (letter: string, changes: Partial<Slot>) =>
    router.fleet.announce(idOf(letter), announcement({}, [slot(changes)]), LATER);
  announce('B', { prefillTps: 3_000 });
  announce('C', { prefillTps: 1_000 });
  announce('D', { running: 4 });
  announce('E', { running: 4 });
  const reply = reserve(router, ask());
  expect(reply?.ok && reply.because).toMatchObject({
    able: 2,
    rejected: { busy: 2 },
    terms: { prefill: 33.3 },
  });
  expect(JSON.stringify(reply?.ok && reply.because)).not.toContain(idOf('D'));

  const named = reservation(1, { prefers: { order: [idOf('C')] } });
  const wished = reserve(router, named);
  expect(winner(wished)).toBe(idOf('C'));
  expect(
    wished?.ok && wished.because?.terms,
    'the terms are those of the named machine',
  ).toMatchObject({ prefill: 100 });
});

test('a machine that has the model in memory is preferred to a faster one that must load it', () => {
  const router = newRouter();
  router.fleet.announce(idOf('B'), announcement({}, [slot({ decodeTps: 20 })]), LATER);
  router.fleet.announce(
    idOf('C'),
    announcement({}, [slot({ state: 'cold', loadMs: 3_000, decodeTps: 40 })]),
    LATER,
  );
  expect(winner(reserve(router, ask()))).toBe(idOf('B'));
});

describe('sealed sessions that are not ordered', () => {
  const sealed = (job: number, changes: Partial<Reserve> = {}) =>
    ask({ job: `job_${String(job).padStart(22, '0')}`, clientSeals: true, ...changes });
  const places = { maxConcurrency: 8, freeTokens: 100_000 };

  test('hold at most a quarter of the slots of a model per account, without jobs that machines report', () => {
    const router = newRouter();
    router.fleet.announce(idOf('B'), announcement({}, [slot(places)]), LATER);
    expect([1, 2, 3].map((job) => winner(reserve(router, sealed(job))))).toEqual([
      idOf('B'),
      idOf('B'),
      'saturated',
    ]);
    expect(winner(reserve(router, sealed(4, { account: 'acct_of_another' })))).toBe(idOf('B'));
    expect(winner(reserve(router, ask()))).toBe(idOf('B'));
    router.fleet.announce(
      idOf('B'),
      announcement({ sequence: 2 }, [slot({ ...places, running: 1, jobs: [sealed(1).job] })]),
      LATER,
    );
    expect([5, 6].map((job) => winner(reserve(router, sealed(job))))).toEqual([
      idOf('B'),
      'saturated',
    ]);
    router.end(sealed(2).job, LATER);
    expect(winner(reserve(router, sealed(7)))).toBe(idOf('B'));
  });

  test('may hold one slot if a model has fewer than four, and wait for it', () => {
    const router = newRouter();
    router.fleet.announce(
      idOf('B'),
      announcement({}, [slot({ ...places, maxConcurrency: 2 })]),
      LATER,
    );
    expect(winner(reserve(router, sealed(1)))).toBe(idOf('B'));
    const replies: Reserved[] = [];
    router.reserve(
      {
        request: sealed(2, { patienceMs: 5_000 }),
        requestedAt: LATER,
        answer: (given) => void replies.push(given),
      },
      LATER,
    );
    expect(replies).toEqual([]);
    router.end(sealed(1).job, LATER);
    router.drain(LATER);
    expect(replies.map(winner)).toEqual([idOf('B')]);
  });

  test('do not count if the request is sealed for the machine that serves it', () => {
    const router = newRouter();
    router.fleet.announce(idOf('B'), announcement({}, [slot(places)]), LATER);
    const ordered = Array.from({ length: 8 }, (_, job) =>
      reserve(router, sealed(job, { prefers: { sealedFor: idOf('B') } })),
    );
    expect(ordered.map(winner)).toEqual(Array.from({ length: 8 }, () => idOf('B')));
  });
});

describe('a provider that may not serve', () => {
  test.each<[string, Partial<Announcement>, Partial<Slot>, Partial<Reserve>, string]>([
    ['is draining', { draining: true }, {}, {}, 'saturated'],
    [
      'uses another sealing suite',
      { sealing: { suite: 'rot13', publicKey: new Uint8Array(32) } },
      {},
      {},
      'no_provider',
    ],
    ['could not load the build', {}, { state: 'failed' }, {}, 'no_provider'],
    [
      'has a context that is too small: the request is at fault',
      {},
      { contextTokens: 150 },
      {},
      'too_large',
    ],
    ['has a full slot', {}, { running: 4 }, {}, 'saturated'],
    [
      'lacks an ability that the request requires',
      {},
      { traits: ['tools'] },
      { requires: ['tools', 'vision'] },
      'no_provider',
    ],
    ['is not one that the request names', {}, {}, { only: [idOf('Z')] }, 'no_provider'],
    [
      'has a context that is too small, as all named ones: the request is at fault',
      {},
      { contextTokens: 150 },
      { only: [idOf('B')] },
      'too_large',
    ],
    ['has too few free tokens', {}, { freeTokens: 199 }, {}, 'saturated'],
    ['has already failed this job', {}, {}, { exclude: [idOf('B')] }, 'no_provider'],
  ])('%s', (_, about, slotChanges, request, code) => {
    const router = newRouter();
    router.fleet.announce(idOf('B'), announcement(about, [slot(slotChanges)]), LATER);
    expect(winner(reserve(router, ask(request)))).toBe(code);
  });

  test('is silent, and may serve again after its next message', () => {
    const router = newRouter();
    router.fleet.announce(idOf('B'), announcement(), 0);
    expect(router.fleet.sweep(LATER, { silentMs: 5_000, forgetMs: 60_000 })).toEqual([idOf('B')]);
    expect(winner(reserve(router, ask()))).toBe('no_provider');
    expect(router.fleet.announce(idOf('B'), announcement({ sequence: 2 }), LATER)).toBe('returned');
    expect(winner(reserve(router, ask()))).toBe(idOf('B'));
  });

  test('keeps failing, unless there is no other', () => {
    const router = newRouter();
    for (const letter of ['B', 'C']) router.fleet.announce(idOf(letter), announcement(), LATER);
    for (let fault = 0; fault < 3; fault += 1) router.faults.failed(idOf('B'), LATER);
    expect(winner(reserve(router, ask()))).toBe(idOf('C'));
    router.fleet.remove(idOf('C'));
    expect(winner(reserve(router, ask({ job: 'job_1000000000000000000000' })))).toBe(idOf('B'));
  });
});

describe('the provider that serves', () => {
  test('has the shortest time to the first content: loaded before fast, idle before busy', () => {
    const router = newRouter();
    router.fleet.announce(
      idOf('B'),
      announcement({}, [slot({ state: 'cold', decodeTps: 500, prefillTps: 9_000 })]),
      LATER,
    );
    router.fleet.announce(idOf('C'), announcement({}, [slot({ running: 3 })]), LATER);
    router.fleet.announce(idOf('D'), announcement(), LATER);
    const reply = reserve(router, ask());
    expect(reply?.ok && reply.candidates.map(({ provider }) => provider)).toEqual([
      idOf('D'),
      idOf('C'),
      idOf('B'),
    ]);
  });

  test('has a later build only if the wanted one has no free slot', () => {
    const router = newRouter();
    router.fleet.announce(
      idOf('B'),
      announcement({}, [slot({ build: 'old', decodeTps: 900 })]),
      LATER,
    );
    router.fleet.announce(idOf('C'), announcement({}, [slot({ build: 'new' })]), LATER);
    expect(winner(reserve(router, ask({ builds: ['new', 'old'] })))).toBe(idOf('C'));
    router.fleet.remove(idOf('C'));
    expect(
      winner(reserve(router, ask({ job: 'job_1000000000000000000000', builds: ['new', 'old'] }))),
    ).toBe(idOf('B'));
  });

  test('gets no more work from an impossible claim than the best machine would', () => {
    const router = newRouter();
    router.fleet.announce(
      idOf('B'),
      announcement({}, [slot({ decodeTps: 100_000, prefillTps: 1_000_000 })]),
      LATER,
    );
    router.fleet.announce(
      idOf('C'),
      announcement({}, [slot({ decodeTps: 5_000, prefillTps: 50_000 })]),
      LATER,
    );
    const reply = reserve(router, ask());
    const costs = reply?.ok
      ? reply.candidates.map(({ expectedFirstContentMs }) => expectedFirstContentMs)
      : [];
    expect(costs[0]).toBe(costs[1]);
  });

  test('shares the work with equal ones', () => {
    let state = 7;
    const router = newRouter(() => {
      state = (state * 16_807) % 2_147_483_647;
      return state / 2_147_483_647;
    });
    for (const letter of ['B', 'C', 'D', 'E'])
      router.fleet.announce(idOf(letter), announcement({}, [slot({ maxConcurrency: 100 })]), LATER);
    const counts = new Map<string, number>();
    for (let job = 0; job < 100; job += 1) {
      const chosen = String(
        winner(reserve(router, ask({ job: `job_${String(job).padStart(22, '0')}` }))),
      );
      counts.set(chosen, (counts.get(chosen) ?? 0) + 1);
    }
    for (const count of counts.values()) expect(count).toBeGreaterThan(10);
    expect(counts.size).toBe(4);
  });
});

describe('a reservation', () => {
  test('that is requested again is the same one', () => {
    const router = newRouter();
    for (const letter of ['B', 'C']) router.fleet.announce(idOf(letter), announcement(), LATER);
    const first = winner(reserve(router, ask()));
    expect(winner(reserve(router, ask()))).toBe(first);
    expect(router.reservations.size).toBe(1);
  });

  test('moves with the job to an alternate, and ends with the job', () => {
    const router = newRouter();
    for (const letter of ['B', 'C']) router.fleet.announce(idOf(letter), announcement(), LATER);
    const first = String(winner(reserve(router, ask())));
    const next = first === idOf('B') ? idOf('C') : idOf('B');
    router.attemptFailed({ job: ask().job, provider: first, failure: 'stalled', next }, LATER);
    expect(router.reservations.of(ask().job)?.provider).toBe(next);
    router.end(ask().job, LATER);
    expect(router.reservations.size).toBe(0);
  });

  test('of a job whose end is never reported is released after the time limit of the job', () => {
    const router = newRouter();
    router.fleet.announce(idOf('B'), announcement(), LATER);
    reserve(router, ask());
    expect(router.reservations.expire(LATER + 1)).toBe(1);
  });
});

describe('a conversation', () => {
  const four = () => {
    const router = newRouter(Math.random);
    for (const letter of ['B', 'C', 'D', 'E'])
      router.fleet.announce(
        idOf(letter),
        announcement({}, [slot({ contextTokens: 10_000, maxConcurrency: 2 })]),
        LATER,
      );
    return router;
  };
  const turn = (digit: string, keys: readonly string[]) =>
    ask({
      job: `job_${digit.repeat(22)}`,
      promptTokens: 1_000,
      prefixes: keys.map((key, index) => ({ key, tokens: 900 - 100 * index })),
    });

  test('continues on the machine that has its prefix in the cache', () => {
    for (let round = 0; round < 20; round += 1) {
      const router = four();
      const first = winner(reserve(router, turn('1', ['a'])));
      router.end(turn('1', []).job, LATER);
      const next = reserve(router, turn('2', ['b', 'a']));
      expect(winner(next)).toBe(first);
      expect(next?.ok && next.candidates[0]?.expectedFirstContentMs).toBeLessThan(500);
    }
  });

  test('moves to another machine if that one has no free slot, and continues there', () => {
    const router = four();
    const first = winner(reserve(router, turn('1', ['a'])));
    reserve(router, turn('2', ['b', 'a']));
    const second = winner(reserve(router, turn('3', ['c', 'b', 'a'])));
    expect(second).not.toBe(first);
    router.end(turn('3', []).job, LATER + 2_000);
    expect(winner(reserve(router, turn('4', ['d', 'c']), LATER + 2_000))).toBe(second);
  });
});

describe('a prompt that a machine reads slowly', () => {
  const both = () => {
    const router = newRouter();
    router.fleet.announce(
      idOf('B'),
      announcement({}, [slot({ prefillTps: 100, decodeTps: 200, contextTokens: 10_000 })]),
      LATER,
    );
    router.fleet.announce(
      idOf('C'),
      announcement({}, [slot({ prefillTps: 1_000, contextTokens: 10_000, maxConcurrency: 1 })]),
      LATER,
    );
    return router;
  };
  const long = (digit: string, patienceMs = 0) =>
    ask({
      job: `job_${digit.repeat(22)}`,
      promptTokens: 2_000,
      firstContentMs: 10_000,
      patienceMs,
    });

  test('goes to a machine that is in time; if that is busy, the request waits for it', () => {
    const router = both();
    expect(winner(reserve(router, long('1')))).toBe(idOf('C'));
    expect(winner(reserve(router, long('2')))).toBe('saturated');
    expect(winner(reserve(router, { ...long('3'), promptTokens: 100 }))).toBe(idOf('B'));
  });

  test('goes to a slow machine if there is no other', () => {
    const router = both();
    router.fleet.remove(idOf('C'));
    expect(winner(reserve(router, long('1')))).toBe(idOf('B'));
  });

  test('delays later requests: two at once go to two machines', () => {
    const router = newRouter();
    for (const letter of ['B', 'C'])
      router.fleet.announce(
        idOf(letter),
        announcement({}, [slot({ contextTokens: 10_000 })]),
        LATER,
      );
    const placed = ['1', '2'].map((digit) => winner(reserve(router, long(digit))));
    expect(placed.toSorted()).toEqual([idOf('B'), idOf('C')]);
  });
});

describe('another router', () => {
  test('has jobs that count while their provider reports them, beside the jobs promised here', () => {
    const router = newRouter();
    const job = (digit: string) => `job_${digit.repeat(22)}`;
    let sequence = 0;
    const say = (...jobs: string[]) => {
      sequence += 1;
      router.fleet.announce(
        idOf('B'),
        announcement({ sequence }, [
          slot({ running: jobs.length, jobs: jobs.map(job), maxConcurrency: 4 }),
        ]),
        LATER,
      );
    };
    const asked = (digit: string) => winner(reserve(router, ask({ job: job(digit) })));
    say('a', 'b', 'c');
    expect(asked('1')).toBe(idOf('B'));
    expect(asked('2')).toBe('saturated');
    // A report that was sent before the order arrived, and is received after the promise.
    say('a', 'b', 'c');
    expect(asked('2')).toBe('saturated');
    say('a', 'b', 'c', '1');
    expect(asked('2')).toBe('saturated');
    say('b', 'c', '1');
    expect(asked('2')).toBe(idOf('B'));
    expect(asked('3')).toBe('saturated');
  });

  test('releases the slot of a completed job before the provider reports it, and not of a cancelled one', () => {
    const router = newRouter();
    const [finished, cancelled, third, fourth] = ['1', '2', '3', '4'].map(
      (digit) => `job_${digit.repeat(22)}`,
    ) as [string, string, string, string];
    const full = [slot({ running: 2, jobs: [finished, cancelled], maxConcurrency: 2 })];
    router.fleet.announce(idOf('B'), announcement({}, [slot({ maxConcurrency: 2 })]), LATER);
    for (const job of [finished, cancelled])
      expect(winner(reserve(router, ask({ job })))).toBe(idOf('B'));
    router.fleet.announce(idOf('B'), announcement({ sequence: 2 }, full), LATER);
    router.end(cancelled, LATER);
    expect(winner(reserve(router, ask({ job: third })))).toBe('saturated');
    router.end(finished, LATER, true);
    expect(winner(reserve(router, ask({ job: third })))).toBe(idOf('B'));
    expect(winner(reserve(router, ask({ job: fourth })))).toBe('saturated');
  });

  test('assumes that a provider which does not list its jobs has all promised ones', () => {
    const router = newRouter();
    const jobs = ['1', '2', '3'].map((digit) => ask({ job: `job_${digit.repeat(22)}` }));
    router.fleet.announce(idOf('B'), announcement({}, [slot({ maxConcurrency: 2 })]), LATER);
    for (const job of jobs.slice(0, 2)) expect(winner(reserve(router, job))).toBe(idOf('B'));
    for (const running of [0, 1, 2]) {
      router.fleet.announce(
        idOf('B'),
        announcement({ sequence: 2 + running }, [slot({ running, maxConcurrency: 2 })]),
        LATER,
      );
      expect(winner(reserve(router, jobs[2] as Reserve))).toBe('saturated');
    }
  });

  test('takes over: waiting requests are sent to it, and nothing is promised here any more', () => {
    const router = newRouter();
    router.fleet.announce(idOf('B'), announcement({}, [slot({ maxConcurrency: 1 })]), LATER);
    reserve(router, ask());
    const told: string[] = [];
    const request = ask({ job: `job_${'1'.repeat(22)}`, patienceMs: 5_000 });
    router.reserve(
      {
        request,
        requestedAt: LATER,
        answer: () => told.push('answer'),
        askAgain: () => told.push('ask again'),
      },
      LATER,
    );
    router.standDown();
    expect([told, router.queued, router.reservations.size]).toEqual([['ask again'], 0, 0]);
  });
});

test('right after the start a request waits for the first messages of the fleet', () => {
  const router = newRouter();
  let reply: Reserved | undefined;
  const answer = (given: Reserved) => {
    reply = given;
  };
  router.reserve({ request: ask({ patienceMs: 5_000 }), requestedAt: 10, answer }, 10);
  expect(reply).toBeUndefined();
  router.fleet.announce(idOf('B'), announcement(), 1_000);
  router.drain(1_000);
  expect(reply).toMatchObject({ ok: true, queuedMs: 990 });
});

test('a job that waits for one machine, or for a rare ability, holds up no other job', () => {
  const router = newRouter();
  for (const letter of ['B', 'C'])
    router.fleet.announce(
      idOf(letter),
      announcement({}, [slot({ maxConcurrency: 1, traits: [] })]),
      LATER,
    );
  const jobs = ['1', '2', '3', '4'].map((digit) => `job_${digit.repeat(22)}`);
  const replies: (Reserved | undefined)[] = jobs.map(() => undefined);
  const wait = (index: number, changes: Partial<Reserve>) =>
    router.reserve(
      {
        request: ask({ job: jobs[index] as string, patienceMs: 1_000, ...changes }),
        requestedAt: LATER,
        answer: (reply) => void replies.splice(index, 1, reply),
      },
      LATER,
    );
  wait(0, { only: [idOf('B')] });
  wait(1, { only: [idOf('C')] });
  wait(2, { only: [idOf('B')] });
  wait(3, {});
  expect(replies.map(winner)).toEqual([idOf('B'), idOf('C'), undefined, undefined]);
  router.end(jobs[1] as string, LATER);
  router.drain(LATER);
  expect([winner(replies[2]), winner(replies[3])]).toEqual([undefined, idOf('C')]);
});

test('a decision among 5,000 providers stays within the processor time of a request', () => {
  const router = newRouter(Math.random);
  for (let index = 0; index < 5_000; index += 1) {
    router.fleet.announce(
      `A${String(index)
        .padStart(55, 'A')
        .replace(/\d/g, (digit) => 'BCDEFGHIJK'[Number(digit)] as string)}`,
      announcement({}, [slot({ running: index % 4 })]),
      LATER,
    );
  }
  const decide = (job: number) => {
    const startedAt = performance.now();
    reserve(router, ask({ job: `job_${String(job).padStart(22, '0')}` }));
    return performance.now() - startedAt;
  };
  const summary = (times: readonly number[]) => {
    const sorted = times.toSorted((a, b) => a - b);
    return {
      p50: sorted[Math.floor(sorted.length / 2)] ?? 0,
      p99: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
    };
  };
  // The code of the first decisions is compiled while they run; a router that has run for a second
  // is faster.
  const phases = { first: [0, 200], later: [200, 1_200] } as const;
  for (const [phase, [from, to]] of Object.entries(phases)) {
    const { p50, p99 } = summary(
      Array.from({ length: to - from }, (_, index) => decide(from + index)),
    );
    console.log(
      `a decision among 5000 providers, ${phase}: p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`,
    );
    expect(p50).toBeLessThan(20);
  }
});

describe('a failed attempt', () => {
  const failed = (
    router: Router,
    what: Partial<Parameters<Router['attemptFailed']>[0]>,
    now = LATER,
  ) =>
    router.attemptFailed(
      { job: 'job_0000000000000000000000', provider: idOf('B'), failure: 'refused', ...what },
      now,
    );
  const oneProvider = () => {
    const router = newRouter();
    router.fleet.announce(idOf('B'), announcement(), LATER);
    return router;
  };
  const isCooling = (router: Router, now = LATER) =>
    router.faults.record(idOf('B')).coolUntil > now;
  const badlySealed = (account: string) =>
    ({ refusal: 'unsealable', clientSealed: true, account }) as const;

  test.each<[string, Partial<Parameters<Router['attemptFailed']>[0]>]>([
    ['an order that its client sealed wrongly', badlySealed('acct_1')],
    [
      'a schema that cannot be compiled',
      { refusal: 'invalid_request', about: 'schema', account: 'acct_1' },
    ],
    ['a deadline that the provider cannot meet', { refusal: 'deadline_unreachable' }],
    ['an account that cannot pay the provider', { failure: 'unaffordable' }],
    ['no answer from trust', { failure: 'no_answer' }],
  ])('%s harms no provider, however often it comes', (_, what) => {
    const router = oneProvider();
    for (let time = 0; time < 100; time += 1) failed(router, what);
    expect(isCooling(router)).toBe(false);
    expect(router.faults.isOpen(idOf('B'), LATER)).toBe(false);
    expect(winner(reserve(router, ask()))).toBe(idOf('B'));
  });

  test('a provider that cannot open an order sealed by the ingress cools', () => {
    const router = oneProvider();
    failed(router, { refusal: 'unsealable', clientSealed: false, account: 'acct_1' });
    expect(isCooling(router)).toBe(true);
  });

  test('a provider that blames the clients of several accounts cools, but not permanently', () => {
    const router = oneProvider();
    for (const account of ['acct_1', 'acct_2', 'acct_1']) failed(router, badlySealed(account));
    expect(isCooling(router)).toBe(false);
    failed(router, badlySealed('acct_3'));
    expect(isCooling(router)).toBe(true);
    const later = LATER + 11 * 60_000;
    router.sweep(later);
    failed(router, badlySealed('acct_3'), later);
    expect(isCooling(router, later)).toBe(false);
  });

  test('if every machine that could serve cools, one of them is tried', () => {
    const router = oneProvider();
    for (let time = 0; time < 10; time += 1) failed(router, { refusal: 'queue_full' });
    expect(winner(reserve(router, ask()))).toBe(idOf('B'));
    router.fleet.announce(idOf('C'), announcement(), LATER);
    expect(winner(reserve(router, ask({ job: 'job_0000000000000000000001' })))).toBe(idOf('C'));
  });

  test('a request that may wait first waits for the machine to cool', () => {
    const router = oneProvider();
    for (let time = 0; time < 10; time += 1) failed(router, { refusal: 'queue_full' });
    let reply: Reserved | undefined;
    const answer = (given: Reserved) => {
      reply = given;
    };
    router.reserve({ request: ask({ patienceMs: 9_000 }), requestedAt: LATER, answer }, LATER);
    router.drain(LATER + 999);
    expect(reply).toBeUndefined();
    router.drain(LATER + 1_000);
    expect(winner(reply)).toBe(idOf('B'));
  });
});
