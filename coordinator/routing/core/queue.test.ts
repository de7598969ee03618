import { expect, test } from 'vitest';
import { type Reserve, type Reserved, SUITE_ID } from '#bus-schemas';
import { announcement, idOf, slot } from './fleet-under-test.ts';
import { Router } from './router.ts';

const PROVIDER = idOf('B');
const oneSlot = slot({ maxConcurrency: 1, loadMs: 0 });
const oneMachine = announcement({}, [oneSlot]);
const jobOf = (name: string) => `job_${name.padStart(22, '0')}`;
const LATER = 10_000;

/** A router with one slot, which the job `first` holds; later requests wait. */
function fullRouter() {
  const router = new Router({
    suite: SUITE_ID,
    queueDepth: 4,
    graceMs: 6_000,
    startedAt: 0,
    random: () => 0,
  });
  router.fleet.announce(PROVIDER, oneMachine, LATER);
  const answers: { name: string; reply: Reserved }[] = [];
  const ask = (name: string, account = 'acct_0000', now = LATER) => {
    const request: Reserve = {
      job: jobOf(name),
      account,
      model: 'sim',
      builds: ['sim'],
      promptTokens: 10,
      maxOutputTokens: 10,
      patienceMs: 5_000,
      exclude: [],
    };
    router.reserve(
      { request, requestedAt: now, answer: (reply) => void answers.push({ name, reply }) },
      now,
    );
  };
  const end = (name: string, now = LATER) => {
    router.end(jobOf(name), now, true);
    router.drain(now);
  };
  const placed = () => answers.filter(({ reply }) => reply.ok).map(({ name }) => name);
  ask('first');
  return { router, answers, ask, end, placed };
}

test('the earliest request is served first', () => {
  const { ask, end, placed } = fullRouter();
  for (const name of ['1', '2', '3']) ask(name);
  for (const name of ['first', '1', '2']) end(name);
  expect(placed()).toEqual(['first', '1', '2', '3']);
});

test('an account without slots is served before an account that holds some', () => {
  const { router, ask, end, placed } = fullRouter();
  router.fleet.announce(
    PROVIDER,
    { ...oneMachine, sequence: 2, slots: [{ ...oneSlot, maxConcurrency: 2 }] },
    LATER,
  );
  ask('second');
  ask('1');
  ask('2', 'acct_1111');
  end('first');
  expect(placed()).toEqual(['first', 'second', '2']);
});

test('a full queue drops a job of its largest account for one of a smaller account', () => {
  const { answers, ask } = fullRouter();
  for (const name of ['1', '2', '3', '4', '5']) ask(name);
  ask('6', 'acct_1111');
  expect(
    answers.slice(1).map(({ name, reply }) => [name, reply.ok ? 'placed' : reply.code]),
  ).toEqual([
    ['5', 'queue_full'],
    ['4', 'queue_full'],
  ]);
});

test('a job that ends while it waits gets no slot, which would never be released', () => {
  const { router, ask, end, answers } = fullRouter();
  ask('1');
  end('1');
  end('first');
  expect(answers.at(-1)).toMatchObject({ name: '1', reply: { ok: false } });
  expect(router.reservations.size).toBe(0);
});

test('a job that is requested again keeps its turn and deadline, and every request is answered', () => {
  const { ask, end, answers, placed } = fullRouter();
  ask('1');
  ask('2');
  ask('1', 'acct_0000', LATER + 100);
  end('first', LATER + 200);
  expect(placed()).toEqual(['first', '1', '1']);
  ask('2', 'acct_0000', LATER + 4_000);
  ask('3', 'acct_0000', LATER + 5_000);
  expect(
    answers.filter(({ name }) => name === '2').map(({ reply }) => !reply.ok && reply.code),
  ).toEqual(['queue_timeout', 'queue_timeout']);
});

test('a new job does not overtake jobs that wait for a slot that has just become free', () => {
  const { router, ask, placed } = fullRouter();
  ask('1');
  router.end(jobOf('first'), LATER);
  ask('2');
  expect(placed()).toEqual(['first', '1']);
});

test('with an empty fleet a job waits only for the grace after the start, not for its whole patience', () => {
  const { router, ask, answers } = fullRouter();
  router.fleet.remove(PROVIDER);
  const early = new Router({
    suite: SUITE_ID,
    queueDepth: 4,
    graceMs: 6_000,
    startedAt: LATER,
    random: () => 0,
  });
  ask('1');
  expect(answers.at(-1)).toMatchObject({ reply: { ok: false, code: 'no_provider' } });
  const replies: Reserved[] = [];
  const request: Reserve = {
    job: jobOf('2'),
    account: 'acct_0000',
    model: 'sim',
    builds: ['sim'],
    promptTokens: 1,
    maxOutputTokens: 1,
    patienceMs: 30_000,
    exclude: [],
  };
  early.reserve(
    { request, requestedAt: LATER, answer: (reply) => void replies.push(reply) },
    LATER,
  );
  expect(early.nextDeadline).toBe(LATER + 6_000);
  early.drain(LATER + 5_999);
  expect(replies).toEqual([]);
  early.drain(LATER + 6_000);
  expect(replies).toMatchObject([{ ok: false, code: 'no_provider' }]);
});

test('many jobs that wait for the same build cost one search of the fleet', () => {
  const router = new Router({
    suite: SUITE_ID,
    queueDepth: 1_000,
    graceMs: 0,
    startedAt: 0,
    random: () => 0,
  });
  router.fleet.announce(PROVIDER, { ...oneMachine, slots: [{ ...oneSlot, running: 1 }] }, LATER);
  let looks = 0;
  const serving = router.fleet.serving.bind(router.fleet);
  router.fleet.serving = (build) => {
    looks += 1;
    return serving(build);
  };
  for (let job = 0; job < 500; job += 1) {
    const request: Reserve = {
      job: jobOf(String(job)),
      account: 'acct_0000',
      model: 'sim',
      builds: ['sim'],
      promptTokens: 10,
      maxOutputTokens: 10,
      patienceMs: 5_000,
      exclude: [],
    };
    router.reserve({ request, requestedAt: LATER, answer: () => undefined }, LATER);
  }
  looks = 0;
  router.drain(LATER);
  expect(router.queued).toBe(500);
  expect(looks).toBe(1);
});
