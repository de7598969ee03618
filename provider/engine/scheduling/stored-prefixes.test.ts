import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PAGE_TOKENS } from '../decoders/decoder.ts';
import type { UnitKind } from './prefix-load.ts';
import { nextOf, REMEMBERED, RememberingDecoder } from './remembering-decoder-under-test.ts';
import { Scheduler } from './scheduler.ts';
import type { UnitStore } from './stored-prefixes.ts';

const PAGES = 24;
const STATES = 8;
const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

/** A store in memory. `loses` says which units are gone when they are read. */
class StoreUnderTest implements UnitStore {
  readonly units = new Map<string, Uint8Array<ArrayBuffer>>();
  isWritable = true;
  reads = 0;
  readonly #loses: (index: number) => boolean;

  constructor(loses: (index: number) => boolean = () => false) {
    this.#loses = loses;
  }

  has(kind: UnitKind, digest: string): boolean {
    return this.units.has(`${kind} ${digest}`);
  }

  async read(kind: UnitKind, digest: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    await settled();
    this.reads += 1;
    if (this.#loses(this.reads)) this.units.delete(`${kind} ${digest}`);
    return this.units.get(`${kind} ${digest}`);
  }

  async write(kind: UnitKind, digest: string, unit: Uint8Array<ArrayBuffer>): Promise<void> {
    await settled();
    this.units.set(`${kind} ${digest}`, unit.slice());
  }
}

interface MachineOptions {
  readonly store: UnitStore;
  readonly states: number;
  readonly prefillTps?: number;
}

/** A scheduler as after a start of its process. */
function machineWith({ store, states, prefillTps = 100 }: MachineOptions) {
  const decoder = new RememberingDecoder(PAGES, { states });
  const failures: unknown[] = [];
  const scheduler = new Scheduler({
    decoder,
    pages: PAGES,
    states,
    maxTokens: 48,
    maxRunning: 3,
    prefillMs: 5,
    speeds: { prefillTps, decodeTps: 1 },
    stored: {
      store,
      unitBytes: { page: REMEMBERED.page, state: states > 0 ? REMEMBERED.state : 0 },
    },
    clock: () => 0,
    onFailure: (error) => failures.push(error),
  });
  const answer = (
    prompt: readonly number[],
    { scope = 'one', isStorable = true, count = 5 } = {},
  ) =>
    new Promise<{ made: number[]; cached: number }>((resolve, reject) => {
      const made: number[] = [];
      const running = scheduler.submit({
        prompt,
        maxTokens: count,
        scope,
        isStorable,
        wantsLogits: false,
        choose: (best) => {
          made.push(best);
          return best;
        },
        end: (why, cause) =>
          why === 'length' ? resolve({ made, cached: running.cachedTokens }) : reject(cause ?? why),
      });
    });
  return { decoder, scheduler, answer, failures };
}

function alone(prompt: readonly number[], count: number): number[] {
  const tokens = [...prompt];
  while (tokens.length < prompt.length + count) tokens.push(nextOf(tokens));
  return tokens.slice(prompt.length);
}

const promptOf = (family: number, length: number): number[] =>
  Array.from({ length }, (_, i) => (family * 13 + (i % 53)) % 97);

const written = (store: StoreUnderTest, count: number) =>
  expect.poll(() => store.units.size, { timeout: 30_000 }).toBe(count);

test.for([0, STATES])(
  'after a restart, a repeated prompt continues from stored pages, with %i state slots',
  async (states) => {
    const store = new StoreUnderTest();
    const prompt = promptOf(1, 5 * PAGE_TOKENS + 7);
    const before = machineWith({ store, states });
    expect(await before.answer(prompt)).toEqual({ made: alone(prompt, 5), cached: 0 });
    await written(store, states > 0 ? 6 : 5);
    await before.scheduler.close();

    const after = machineWith({ store, states });
    const expected = { made: alone(prompt, 5), cached: 5 * PAGE_TOKENS };
    expect(await after.answer(prompt)).toEqual(expected);
    expect(after.decoder.restored).toBe(states > 0 ? 6 : 5);
    expect(await after.answer(prompt)).toEqual(expected);
    expect(after.decoder.restored).toBe(states > 0 ? 6 : 5);
    await after.scheduler.close();
  },
);

test('another scope, and a request without one, use and leave nothing in the store', async () => {
  const store = new StoreUnderTest();
  const prompt = promptOf(1, 100);
  const first = machineWith({ store, states: 0 });
  await first.answer(prompt, { isStorable: false });
  await first.answer(prompt, { scope: 'two' });
  await written(store, 3);
  const second = machineWith({ store, states: 0 });
  expect((await second.answer(prompt)).cached).toBe(0);
  expect((await second.answer(prompt, { scope: 'two', isStorable: false })).cached).toBe(0);
  await second.scheduler.close();
  await first.scheduler.close();
});

test('a prompt that is computed faster than it is read is neither stored nor loaded', async () => {
  const store = new StoreUnderTest();
  const prompt = promptOf(1, 100);
  const slow = machineWith({ store, states: 0, prefillTps: 100 });
  await slow.answer(prompt);
  await written(store, 3);
  const fast = machineWith({ store, states: 0, prefillTps: 1e6 });
  expect((await fast.answer(prompt)).cached).toBe(0);
  await fast.answer(promptOf(2, 100));
  expect([store.reads, store.units.size]).toEqual([0, 3]);
  await slow.scheduler.close();
  await fast.scheduler.close();
});

test('a read that never ends does not stop the request, nor others', async () => {
  const store = new StoreUnderTest();
  const prompt = promptOf(1, 60);
  const before = machineWith({ store, states: 0, prefillTps: 1_000 });
  await before.answer(prompt);
  await written(store, 1);
  await before.scheduler.close();
  store.read = () => new Promise(() => {});
  const after = machineWith({ store, states: 0, prefillTps: 1_000 });
  const [loading, other] = [after.answer(prompt), after.answer(promptOf(2, 60))];
  expect((await other).made).toEqual(alone(promptOf(2, 60), 5));
  expect(await loading).toEqual({ made: alone(prompt, 5), cached: 0 });
  await after.scheduler.close();
}, 30_000);

test('a request that is cancelled while its pages are read returns its pages', async () => {
  const store = new StoreUnderTest();
  const prompt = promptOf(1, 60);
  const before = machineWith({ store, states: 0 });
  await before.answer(prompt);
  await written(store, 1);
  await before.scheduler.close();
  const reading = Promise.withResolvers<undefined>();
  store.read = () => reading.promise;
  const { scheduler } = machineWith({ store, states: 0 });
  const free = scheduler.freeTokens;
  const ended = new Promise((resolve) => {
    const running = scheduler.submit({
      prompt,
      maxTokens: 5,
      scope: 'one',
      isStorable: true,
      wantsLogits: false,
      choose: (best) => best,
      end: resolve,
    });
    setTimeout(() => running.cancel(), 5);
  });
  expect(await ended).toBe('cancelled');
  expect(scheduler.freeTokens).toBe(free);
  reading.resolve(undefined);
  await scheduler.close();
});

const plan = fc.record({
  length: fc.integer({ min: 1, max: 150 }),
  family: fc.integer({ min: 0, max: 2 }),
  count: fc.integer({ min: 1, max: 20 }),
  /** Number of turns of the event loop before it is submitted. */
  comesAfter: fc.integer({ min: 0, max: 6 }),
});

test('whatever the store has lost, each sequence generates the same tokens as alone, before and after restarts', async () => {
  let restored = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(plan, { minLength: 1, maxLength: 6 }), { minLength: 2, maxLength: 3 }),
      fc.constantFrom(0, 4, STATES),
      fc.integer({ min: 2, max: 9 }),
      async (starts, states, losesEach) => {
        const store = new StoreUnderTest((index) => index % losesEach === 0);
        for (const plans of starts) {
          const { decoder, scheduler, answer, failures } = machineWith({ store, states });
          const free = scheduler.freeTokens;
          const answers: Promise<{ made: number[] }>[] = [];
          for (const { length, family, count, comesAfter } of plans) {
            for (let n = 0; n < comesAfter; n += 1) await settled();
            answers.push(answer(promptOf(family, length), { count }));
          }
          const made = (await Promise.all(answers)).map((each) => each.made);
          expect(made).toEqual(
            plans.map(({ family, length, count }) => alone(promptOf(family, length), count)),
          );
          await scheduler.close();
          expect(failures).toEqual([]);
          expect(scheduler.freeTokens).toBe(free);
          restored += decoder.restored;
        }
      },
    ),
    { numRuns: 40 },
  );
  expect(restored).toBeGreaterThan(0);
}, 60_000);
