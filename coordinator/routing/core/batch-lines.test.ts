import { expect, test } from 'vitest';
import { type Reserve, type Reserved, SUITE_ID } from '#bus-schemas';
import { announcement, idOf, reservation, slot } from './fleet-under-test.ts';
import { Router } from './router.ts';

const NOW = 10_000;
const line = { isBatchLine: true, patienceMs: 5_000 } as const;
const other = { patienceMs: 5_000 } as const;

/** A router with one machine of this many places. */
function routerWith(maxConcurrency: number, queueDepth = 4) {
  const options = { suite: SUITE_ID, graceMs: 0, startedAt: 0, random: () => 0 };
  const router = new Router({ ...options, queueDepth });
  router.fleet.announce(idOf('B'), announcement({}, [slot({ maxConcurrency })]), NOW);
  const answers = new Map<number, Reserved>();
  const ask = (job: number, changes: Partial<Reserve>) => {
    const request = reservation(job, changes);
    const answer = (reply: Reserved) => void answers.set(job, reply);
    router.reserve({ request, requestedAt: NOW, answer }, NOW);
  };
  const end = (job: number) => {
    router.end(reservation(job).job, NOW, true);
    router.drain(NOW);
  };
  const placed = () => [...answers].filter(([, reply]) => reply.ok).map(([job]) => job);
  return { router, answers, ask, end, placed };
}

test('lines of batches leave half of the places of a machine to other jobs', () => {
  const { ask, placed } = routerWith(4);
  for (const job of [1, 2, 3]) ask(job, line);
  expect(placed()).toEqual([1, 2]);
  for (const job of [4, 5, 6]) ask(job, other);
  expect(placed()).toEqual([1, 2, 4, 5]);
});

test('a line of a batch is served by a machine with one place, but after every job that waits', () => {
  const { ask, end, placed } = routerWith(1);
  ask(1, line);
  ask(2, line);
  ask(3, other);
  expect(placed()).toEqual([1]);
  end(1);
  expect(placed()).toEqual([1, 3]);
  ask(4, other);
  end(3);
  end(4);
  expect(placed()).toEqual([1, 3, 4, 2]);
});

test('a new line does not overtake a job that waits for a larger place', () => {
  const { router, ask, placed } = routerWith(4);
  router.fleet.announce(idOf('B'), announcement({ sequence: 2 }, [slot({ freeTokens: 300 })]), NOW);
  ask(1, other);
  ask(2, { ...other, promptTokens: 150 });
  ask(3, { ...line, promptTokens: 10, maxOutputTokens: 10 });
  expect(placed()).toEqual([1]);
});

test('in a full queue a line of a batch is displaced first, and displaces no job', () => {
  const { answers, ask } = routerWith(1, 2);
  ask(1, other);
  ask(2, other);
  ask(3, line);
  ask(4, line);
  expect(answers.get(4)).toMatchObject({ ok: false, code: 'queue_full' });
  ask(5, other);
  expect(answers.get(3)).toMatchObject({ ok: false, code: 'queue_full' });
  expect(answers.has(2)).toBe(false);
});
