import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Announcement, type Reserve, type Reserved, SUITE_ID } from '#bus-schemas';
import { announcement, idOf, slot } from './fleet-under-test.ts';
import { Router } from './router.ts';

const PROVIDERS = ['A', 'B', 'C'].map(idOf);
const BUILD = 'sim';
const CONCURRENCY = 2;

const report = (
  sequence: number,
  { draining, ...load }: { running: number; draining: boolean; jobs?: string[] },
): Announcement =>
  announcement({ sequence, draining }, [
    slot({ maxConcurrency: CONCURRENCY, freeTokens: 10_000, loadMs: 0, ...load }),
  ]);

const request = (job: number, patienceMs: number): Reserve => ({
  job: `job_${String(job).padStart(22, '0')}`,
  account: `acct_000${job % 3}`,
  model: 'sim',
  builds: [BUILD],
  promptTokens: 10,
  maxOutputTokens: 10,
  patienceMs,
  exclude: [],
});

function moved(router: Router, job: string, next: string, now: number): void {
  const provider = router.reservations.of(job)?.provider;
  if (provider !== undefined)
    router.attemptFailed(
      { job, provider, failure: 'refused', refusal: 'invalid_request', next },
      now,
    );
}

type Happening =
  | {
      what: 'beat';
      provider: number;
      running: number;
      draining: boolean;
      names: 'nothing' | 'all' | 'half';
    }
  | { what: 'ask'; patienceMs: number }
  | { what: 'end'; index: number; isFinished: boolean }
  | { what: 'move'; index: number; to: number }
  | { what: 'lose'; provider: number }
  | { what: 'fault'; provider: number }
  | { what: 'wait'; ms: number };

const provider = fc.nat({ max: PROVIDERS.length - 1 });
const happening: fc.Arbitrary<Happening> = fc.oneof(
  fc.record({
    what: fc.constant('beat' as const),
    provider,
    running: fc.nat({ max: 3 }),
    draining: fc.boolean(),
    names: fc.constantFrom('nothing', 'all', 'half'),
  }),
  fc.record({ what: fc.constant('ask' as const), patienceMs: fc.nat({ max: 5_000 }) }),
  fc.record({
    what: fc.constant('end' as const),
    index: fc.nat({ max: 30 }),
    isFinished: fc.boolean(),
  }),
  fc.record({ what: fc.constant('move' as const), index: fc.nat({ max: 30 }), to: provider }),
  fc.record({ what: fc.constant('lose' as const), provider }),
  fc.record({ what: fc.constant('fault' as const), provider }),
  fc.record({ what: fc.constant('wait' as const), ms: fc.nat({ max: 3_000 }) }),
);

test('every request is answered once and in time, no slot is promised too often, and none stays promised', () => {
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 120 }), fc.integer(), (happenings, seed) => {
      let now = 0;
      let random = seed | 1;
      const router = new Router({
        suite: SUITE_ID,
        queueDepth: 5,
        graceMs: 1_000,
        startedAt: 0,
        random: () => {
          random = Math.imul(random, 1_103_515_245) + 12_345;
          return ((random >>> 8) % 1_000) / 1_000;
        },
      });
      const asked: { request: Reserve; at: number; answers: { reply: Reserved; at: number }[] }[] =
        [];
      let sequence = 0;
      for (const next of happenings) {
        now += 10;
        switch (next.what) {
          case 'beat':
            sequence += 1;
            {
              const id = PROVIDERS[next.provider] as string;
              const has = asked
                .map(({ request: { job } }) => job)
                .filter((job) => router.reservations.of(job)?.provider === id);
              const jobs =
                next.names === 'nothing'
                  ? {}
                  : { jobs: has.filter((_, place) => next.names === 'all' || place % 2 === 0) };
              router.fleet.announce(id, report(sequence, { ...next, ...jobs }), now);
            }
            break;
          case 'ask': {
            const one = {
              request: request(asked.length, next.patienceMs),
              at: now,
              answers: [] as { reply: Reserved; at: number }[],
            };
            asked.push(one);
            const answer = (reply: Reserved) => {
              one.answers.push({ reply, at: now });
              // A decision promises only free capacity, whatever jobs an ingress has moved there.
              if (reply.ok)
                expect(
                  router.reservations.count(reply.candidates[0]?.provider ?? '', BUILD),
                ).toBeLessThanOrEqual(CONCURRENCY);
            };
            router.reserve({ request: one.request, requestedAt: now, answer }, now);
            break;
          }
          case 'end':
            router.end(asked[next.index]?.request.job ?? '', now, next.isFinished);
            break;
          case 'move':
            moved(router, asked[next.index]?.request.job ?? '', PROVIDERS[next.to] as string, now);
            break;
          case 'lose':
            router.fleet.lost(PROVIDERS[next.provider] as string);
            break;
          case 'fault':
            router.faults.failed(PROVIDERS[next.provider] as string, now);
            break;
          case 'wait':
            now += next.ms;
            break;
        }
        router.drain(now);
        expect(router.queued).toBeLessThanOrEqual(5);
        for (const {
          request: { patienceMs },
          at,
          answers,
        } of asked) {
          expect(answers.length).toBeLessThanOrEqual(1);
          if (now > at + patienceMs) expect(answers.length).toBe(1);
        }
      }
      now += 10_000;
      router.drain(now);
      for (const {
        request: { job },
        answers,
      } of asked) {
        expect(answers).toHaveLength(1);
        router.end(job, now);
      }
      expect(router.reservations.size).toBe(0);
      expect(router.queued).toBe(0);
    }),
    { numRuns: 500 },
  );
});
