import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Reserved, SUITE_ID } from '#bus-schemas';
import { explain } from './explanation.ts';
import { announcement, idOf, slot } from './fleet-under-test.ts';
import { readMemory } from './machine-memory.ts';
import { Router } from './router.ts';

const BUILD = 'sim-llama-8b-q4';
const MACHINES = [idOf('B'), idOf('C'), idOf('D')];
const ASK = { job: '', builds: [BUILD], promptTokens: 100, maxOutputTokens: 100, exclude: [] };
const MINUTE = 60_000;

/** An event of one machine, or only the passing of time. */
const happening = fc.oneof(
  fc.record({
    what: fc.constant('serves' as const),
    machine: fc.nat({ max: MACHINES.length - 1 }),
    firstContentMs: fc.integer({ min: 10, max: 60_000 }),
    tps: fc.integer({ min: 1, max: 60 }),
  }),
  fc.record({
    what: fc.constantFrom('fails' as const, 'refuses' as const),
    machine: fc.nat({ max: MACHINES.length - 1 }),
  }),
  fc.record({ what: fc.constant('waits' as const), ms: fc.integer({ min: 1, max: 3 * MINUTE }) }),
);
type Happening = typeof happening extends fc.Arbitrary<infer One> ? One : never;

/** A router with its own clock: `offset` is added to the time of the test. */
class RouterAt {
  readonly offset: number;
  readonly router: Router;
  /** Number of jobs so far, with those of the router before it. It decides whose the next one is. */
  jobs: number;
  #sequence = 0;

  constructor(offset: number, jobs = 0) {
    this.offset = offset;
    this.jobs = jobs;
    this.router = new Router({
      suite: SUITE_ID,
      queueDepth: 4,
      graceMs: 0,
      startedAt: offset,
      random: () => 0,
    });
  }

  announceAll(at: number): void {
    this.#sequence += 1;
    for (const machine of MACHINES)
      this.router.fleet.announce(
        machine,
        announcement({ sequence: this.#sequence }, [slot({ build: BUILD, maxConcurrency: 100 })]),
        at + this.offset,
      );
  }

  sweep(at: number): void {
    this.router.sweep(at + this.offset);
  }

  /** Returns the time after it. */
  happens(one: Happening, at: number): number {
    const now = at + this.offset;
    if (one.what === 'waits') {
      this.sweep(at + one.ms);
      this.announceAll(at + one.ms);
      return at + one.ms;
    }
    const provider = MACHINES[one.machine] as string;
    if (one.what === 'serves') this.#serve(provider, one, now);
    else
      this.router.attemptFailed(
        {
          ...this.#job(),
          provider,
          ...(one.what === 'fails'
            ? { failure: 'engine_error' }
            : { failure: 'refused', refusal: 'queue_full' }),
        },
        now,
      );
    return at;
  }

  #job() {
    this.jobs += 1;
    return {
      job: `job_${String(this.jobs).padStart(22, '0')}`,
      account: `acct_${this.jobs % 4}`,
    };
  }

  #serve(
    provider: string,
    { firstContentMs, tps }: { firstContentMs: number; tps: number },
    now: number,
  ): void {
    const job = this.#job();
    const request = { ...ASK, ...job, model: 'sim', patienceMs: 0, only: [provider] };
    let reply: Reserved | undefined;
    const answer = (given: Reserved) => {
      reply = given;
    };
    this.router.reserve({ request, requestedAt: now, answer }, now);
    if (reply?.ok !== true) return;
    const firstContentUs = firstContentMs * 1_000;
    const timing = {
      routeUs: 0,
      holdUs: 0,
      firstContentUs,
      totalUs: firstContentUs + Math.round((100 / tps) * 1e6),
    };
    const end = { ...job, provider, result: 'completed', attempts: 1, timing } as const;
    this.router.jobEnded({ ...end, deliveredTokens: 100 }, now);
  }

  /** Gate and expected delay of each machine: every decision follows from them. */
  view(at: number) {
    const { slots } = explain(this.router.fleet.serving(BUILD), ASK, at + this.offset);
    return slots.toSorted((one, other) => one.provider.localeCompare(other.provider));
  }
}

/** A new router with the memory of another one, stored at `storedAt` and read `ageMs` later. */
function restarted(before: RouterAt, storedAt: number, ageMs: number): RouterAt {
  const after = new RouterAt(3_000, before.jobs);
  const now = storedAt + ageMs + after.offset;
  for (const machine of MACHINES) {
    const stored = before.router.memoryOf(machine, storedAt + before.offset);
    const memory = readMemory(JSON.parse(JSON.stringify(stored)));
    if (memory === undefined) throw new Error(`unreadable: ${JSON.stringify(stored)}`);
    after.router.restore(machine, memory, { at: now - ageMs, now, isOwn: false });
  }
  after.announceAll(storedAt + ageMs);
  return after;
}

const history = fc.array(happening, { maxLength: 40 });
/** An older pace has no effect and is dropped, with the number of its answers. */
const age = fc.integer({ min: 0, max: 60 * MINUTE });

test('a router that restores the stored memory decides as the router that stored it would', () => {
  fc.assert(
    fc.property(history, age, history, (past, ageMs, future) => {
      const before = new RouterAt(1_000_000);
      before.announceAll(0);
      let at = past.reduce((time, one) => before.happens(one, time), 0);
      const after = restarted(before, at, ageMs);
      at += ageMs;
      before.announceAll(at);
      // Before the next event, and after each one.
      for (const one of [{ what: 'waits', ms: 1 } as const, ...future]) {
        before.happens(one, at);
        at = after.happens(one, at);
        const [old, restored] = [before.view(at), after.view(at)];
        expect(restored.map(({ gate }) => gate)).toEqual(old.map(({ gate }) => gate));
        restored.forEach(({ expectedFirstContentMs }, index) => {
          const wanted = old[index]?.expectedFirstContentMs ?? Number.NaN;
          expect(Math.abs(expectedFirstContentMs / wanted - 1)).toBeLessThan(1e-6);
        });
      }
    }),
  );
});

test('a memory older than an hour has no effect', () => {
  fc.assert(
    fc.property(
      history,
      fc.integer({ min: 61 * MINUTE, max: 90 * 24 * 60 * MINUTE }),
      (past, ageMs) => {
        const before = new RouterAt(0);
        before.announceAll(0);
        const at = past.reduce((time, one) => before.happens(one, time), 0);
        const after = restarted(before, at, ageMs);
        const blank = new RouterAt(0);
        blank.announceAll(0);
        expect(after.view(at + ageMs)).toEqual(blank.view(0));
      },
    ),
  );
});

test('a record that was read a second time never makes a machine look better', () => {
  fc.assert(
    fc.property(history, history, fc.boolean(), (past, future, isOwn) => {
      const router = new RouterAt(0);
      router.announceAll(0);
      const storedAt = past.reduce((time, one) => router.happens(one, time), 0);
      const stored = MACHINES.map((machine) => router.router.memoryOf(machine, storedAt));
      const now = future.reduce((time, one) => router.happens(one, time), storedAt);
      const closed = () => router.view(now).map(({ gate }) => gate !== undefined);
      const before = closed();
      MACHINES.forEach((machine, index) => {
        router.router.restore(machine, stored[index] ?? {}, { at: storedAt, now, isOwn });
      });
      closed().forEach((isClosed, index) => {
        expect(isClosed || before[index] !== true).toBe(true);
      });
    }),
  );
});

test('a stored value of another form is not a memory', () => {
  expect(readMemory({ faults: { score: -1 } })).toBeUndefined();
  expect(readMemory({ pace: { logExcess: null } })).toBeUndefined();
  expect(readMemory([])).toBeUndefined();
  expect(readMemory({})).toEqual({});
});
