import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PAGE_TOKENS } from '../decoders/decoder.ts';
import type { PlacedImage } from '../decoders/step.ts';
import type { DraftSource } from '../speculation/draft-source.ts';
import { nextOf, RememberingDecoder } from './remembering-decoder-under-test.ts';
import { Scheduler } from './scheduler.ts';
import type { Running, Task, TaskEnd } from './task.ts';

const PAGES = 24;
const MAX_TOKENS = 48;

const plan = fc.record({
  prompt: fc.integer({ min: 1, max: 150 }),
  family: fc.integer({ min: 0, max: 2 }),
  count: fc.integer({ min: 1, max: 40 }),
  /** The images of the prompt, each with the number of tokens before it and an identity. */
  images: fc.array(fc.record({ gap: fc.nat(40), id: fc.nat(1) }), { maxLength: 2 }),
  wantsLogits: fc.boolean(),
  chooses: fc.constantFrom('at once', 'later'),
  /** Number of turns of the event loop before it is submitted, modulo 7. */
  comesAfter: fc.integer({ min: 0, max: 30 }),
  /** Number of its tokens after which it is paused. */
  pausesAt: fc.option(fc.integer({ min: 1, max: 20 }), { nil: undefined }),
  /** True if memory is freed just before it is submitted. */
  trimsBefore: fc.boolean(),
  /** Whether drafted tokens are right, by turns; no token is drafted for a sequence without them. */
  drafts: fc.array(fc.boolean(), { maxLength: 7 }),
  /** Number of its tokens after which it is cancelled. */
  cancelsAt: fc.option(fc.integer({ min: 1, max: 20 }), { nil: undefined }),
});

const promptOf = (family: number, length: number): number[] =>
  Array.from({ length }, (_, i) => (family * 13 + (i % 53)) % 97);

const IMAGE_TOKENS = 20;
const IMAGE_PLACE = 96;

/** A prompt with images; in `seen`, their embeddings are in place of their tokens. */
function promptWith(
  family: number,
  length: number,
  wanted: readonly { gap: number; id: number }[],
) {
  const prompt = promptOf(family, length);
  const seen = [...prompt];
  const images: PlacedImage[] = [];
  let at = 0;
  for (const { gap, id } of wanted) {
    at += gap;
    // A prompt ends with text.
    if (at + IMAGE_TOKENS >= length) break;
    const embeddings = Float32Array.from({ length: IMAGE_TOKENS }, (_, i) => 100 + 50 * id + i);
    const isWhole = id % 2 === 0;
    images.push({ at, tokens: IMAGE_TOKENS, digest: `image ${id}`, embeddings, isWhole });
    prompt.fill(IMAGE_PLACE, at, at + IMAGE_TOKENS);
    seen.splice(at, IMAGE_TOKENS, ...embeddings);
    at += IMAGE_TOKENS;
  }
  return { prompt, seen, images };
}

/** Returns the answer that a prompt gets if no other sequence runs. */
function alone(prompt: readonly number[], count: number): number[] {
  const tokens = [...prompt];
  while (tokens.length < prompt.length + count) tokens.push(nextOf(tokens));
  return tokens.slice(prompt.length);
}

/** Drafts the right tokens and wrong ones. */
function guesses(rights: readonly boolean[]): DraftSource {
  let turn = 0;
  return {
    isCheap: rights.length % 2 === 0,
    expectedMs: () => 0,
    draft: (tokens, most) => {
      if (rights.length === 0) return [];
      return alone(tokens, most).map((right) => {
        const isRight = rights[turn++ % rights.length];
        return isRight ? right : (right + 1) % 97;
      });
    },
  };
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

test('each sequence generates the same tokens as alone, ends once and returns its pages and its state, whether others join, leave, wait or share its beginning, or have other images', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(plan, { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 0, max: 7 }),
      fc.boolean(),
      async (plans, maxRunning, states, worksAhead) => {
        const decoder = new RememberingDecoder(PAGES, { states, worksAhead });
        const failures: unknown[] = [];
        const rights = new Map<Task, readonly boolean[]>();
        const scheduler = new Scheduler({
          decoder,
          pages: PAGES,
          states,
          maxTokens: MAX_TOKENS,
          maxRunning,
          prefillMs: 5,
          speeds: { prefillTps: 2_000, decodeTps: 1 },
          clock: () => decoder.steps,
          drafter: {
            begin: (task) => [guesses(rights.get(task) ?? [])],
            keep: async () => {},
          },
          onFailure: (error) => failures.push(error),
        });
        const free = scheduler.freeTokens;
        const ends: TaskEnd[][] = plans.map(() => []);
        const generated: number[][] = plans.map(() => []);
        const begin = (index: number) => {
          const {
            prompt: length,
            family,
            count,
            wantsLogits,
            chooses,
            pausesAt,
            cancelsAt,
            drafts,
            images: wanted,
          } = plans[index] as (typeof plans)[number];
          // Images with states are not supported: no model has both.
          const { prompt, images } = promptWith(family, length, states === 0 ? wanted : []);
          let running: Running | undefined;
          const task: Task = {
            prompt,
            images,
            wantsLogits,
            maxTokens: count,
            scope: 'one',
            choose: (best, row) => {
              if (wantsLogits) expect(row?.[best]).toBe(5);
              generated[index]?.push(best);
              if (generated[index]?.length === pausesAt) {
                running?.pause();
                setTimeout(() => running?.resume(), 1);
              }
              if (generated[index]?.length === cancelsAt) running?.cancel();
              return chooses === 'later' ? settled().then(() => best) : best;
            },
            end: (why) => ends[index]?.push(why),
          };
          rights.set(task, drafts);
          running = scheduler.submit(task);
        };
        for (const index of plans.keys()) {
          const { comesAfter, trimsBefore } = plans[index] as (typeof plans)[number];
          for (let n = 0; n < comesAfter % 7; n += 1) await settled();
          if (trimsBefore) void scheduler.trim(0);
          begin(index);
        }
        for (let n = 0; ends.some((list) => list.length === 0) && n < 5_000; n += 1)
          await settled();
        for (const [index, each] of plans.entries()) {
          const { prompt, family, count, cancelsAt, images } = each;
          const { seen } = promptWith(family, prompt, states === 0 ? images : []);
          const expected = alone(seen, count);
          expect(generated[index]).toEqual(expected.slice(0, generated[index]?.length));
          const isCancelled = cancelsAt !== undefined && cancelsAt < count;
          expect(ends[index]).toEqual([isCancelled ? 'cancelled' : 'length']);
          if (!isCancelled) expect(generated[index]).toHaveLength(count);
        }
        // The clock stands still, so that pages are freed that were released at this moment.
        await scheduler.trim(-1);
        expect(decoder.keptStates).toBe(0);
        await scheduler.close();
        expect(failures).toEqual([]);
        expect(scheduler.freeTokens).toBe(free);
        expect(decoder.largest).toBeLessThanOrEqual(MAX_TOKENS);
      },
    ),
    { numRuns: 60 },
  );
}, 60_000);

test.for([
  ['without states', 0],
  ['with states', 4],
] as const)('%s, right drafts save steps, and wrong ones are given up', async ([, states]) => {
  const stepsOf = async (rights: readonly boolean[]) => {
    const decoder = new RememberingDecoder(PAGES, { states });
    const scheduler = new Scheduler({
      decoder,
      pages: PAGES,
      states,
      maxTokens: MAX_TOKENS,
      maxRunning: 1,
      prefillMs: 5,
      speeds: { prefillTps: 10, decodeTps: 8 },
      // A step takes 100 ms, and each of its tokens 20 ms more.
      clock: () => 100 * decoder.steps + 20 * decoder.tokens,
      drafter: { begin: () => [guesses(rights)], keep: async () => {} },
      onFailure: (error) => expect.fail(String(error)),
    });
    const generated: number[] = [];
    await new Promise<void>((resolve) => {
      scheduler.submit({
        prompt: promptOf(0, 40),
        maxTokens: 400,
        scope: 'one',
        wantsLogits: false,
        choose: (best) => {
          generated.push(best);
          return best;
        },
        end: () => resolve(),
      });
    });
    await scheduler.close();
    expect(generated).toEqual(alone(promptOf(0, 40), 400));
    return { steps: decoder.steps, tokens: decoder.tokens };
  };
  const plain = await stepsOf([]);
  expect((await stepsOf([true])).steps).toBeLessThan(plain.steps / 4);
  const wrong = await stepsOf([false]);
  expect(wrong.steps).toBe(plain.steps);
  expect(wrong.tokens - plain.tokens).toBeLessThan(plain.tokens / 10);
  expect(wrong.tokens).toBeGreaterThan(plain.tokens);
});

/** A scheduler whose decoder works ahead, and a function that checks one answer. */
function worksAhead() {
  const decoder = new RememberingDecoder(PAGES, { worksAhead: true });
  const scheduler = new Scheduler({
    decoder,
    pages: PAGES,
    maxTokens: MAX_TOKENS,
    maxRunning: 4,
    prefillMs: 5,
    speeds: { prefillTps: 2_000, decodeTps: 1 },
    clock: () => decoder.steps,
    onFailure: (error) => expect.fail(String(error)),
  });
  const answer = async (
    prompt: number[],
    maxTokens: number,
    { wantsLogits = false, onToken = (_count: number): void => {} } = {},
  ) => {
    const generated: number[] = [];
    await new Promise<void>((resolve) => {
      scheduler.submit({
        prompt,
        maxTokens,
        scope: 'one',
        wantsLogits,
        choose: (best) => {
          generated.push(best);
          onToken(generated.length);
          return best;
        },
        end: () => resolve(),
      });
    });
    expect(generated).toEqual(alone(prompt, maxTokens));
  };
  return { decoder, answer, [Symbol.asyncDispose]: () => scheduler.close() };
}

test('a decoder that works ahead has begun each step of plain answers, and is not asked to begin others', async () => {
  await using ahead = worksAhead();
  const { decoder, answer } = ahead;
  // The step that reads the prompt expects none, and the last step neither.
  await answer(promptOf(0, 20), 40);
  expect([decoder.steps, decoder.aheads]).toEqual([40, 38]);
  await answer(promptOf(0, 21), 10, { wantsLogits: true });
  expect([decoder.steps, decoder.aheads]).toEqual([50, 38]);
  // After the shorter answer has ended, one step of the longer one was not begun.
  await Promise.all([answer(promptOf(1, 20), 20), answer(promptOf(2, 20), 10)]);
  expect([decoder.steps, decoder.aheads]).toEqual([70, 38 + 8 + 9]);
});

test('an answer that joins waits for one begun step only', async () => {
  await using ahead = worksAhead();
  const { decoder, answer } = ahead;
  let joining: Promise<void> | undefined;
  await answer(promptOf(0, 20), 60, {
    onToken: (count) => {
      if (count !== 10) return;
      const from = decoder.steps;
      joining = answer(promptOf(1, 10), 5, {
        onToken: (tokens) => {
          if (tokens === 1) expect(decoder.steps - from).toBe(2);
        },
      });
    },
  });
  await joining;
});

test('if the decoder fails, each task ends once with `failed`, and so do later tasks', async () => {
  const decoder = new RememberingDecoder(PAGES, { failsAt: 3 });
  const failures: unknown[] = [];
  const scheduler = new Scheduler({
    decoder,
    pages: PAGES,
    maxTokens: MAX_TOKENS,
    maxRunning: 2,
    prefillMs: 5,
    speeds: { prefillTps: 2_000, decodeTps: 1 },
    clock: () => decoder.steps,
    onFailure: (error) => failures.push(error),
  });
  const ends: TaskEnd[] = [];
  const task = {
    prompt: [1, 2, 3],
    maxTokens: 9,
    scope: 'one',
    wantsLogits: false,
    choose: (best: number) => best,
    end: (why: TaskEnd) => ends.push(why),
  };
  for (let i = 0; i < 3; i += 1) scheduler.submit(task);
  while (ends.length < 3) await settled();
  expect(failures).toHaveLength(1);
  scheduler.submit(task);
  while (ends.length < 4) await settled();
  expect(ends).toEqual(Array(4).fill('failed'));
});

test('a cached beginning of a prompt is not computed again, but only within its scope', async () => {
  const decoder = new RememberingDecoder(PAGES);
  const scheduler = new Scheduler({
    decoder,
    pages: PAGES,
    maxTokens: MAX_TOKENS,
    maxRunning: 4,
    prefillMs: 5,
    speeds: { prefillTps: 2_000, decodeTps: 1 },
    clock: () => decoder.steps,
    onFailure: () => {},
  });
  const run = (scope: string) =>
    new Promise<number>((resolve) => {
      const running = scheduler.submit({
        prompt: promptOf(1, 100),
        maxTokens: 3,
        scope,
        wantsLogits: false,
        choose: (best) => best,
        end: () => resolve(running.cachedTokens),
      });
    });
  expect(await run('mine')).toBe(0);
  expect(await run('mine')).toBe(96);
  expect(await run('theirs')).toBe(0);
  await scheduler.close();
});

test('memory that no sequence needs is freed at the next trim, and that of cached pages after their idle time', async () => {
  const decoder = new RememberingDecoder(PAGES);
  let now = 0;
  const scheduler = new Scheduler({
    decoder,
    clock: () => now,
    pages: PAGES,
    maxTokens: MAX_TOKENS,
    maxRunning: 4,
    prefillMs: 5,
    speeds: { prefillTps: 2_000, decodeTps: 1 },
    onFailure: () => {},
  });
  const run = (prompt: number[]) =>
    new Promise<number>((resolve) => {
      const running = scheduler.submit({
        prompt,
        maxTokens: 200,
        scope: 'one',
        wantsLogits: false,
        choose: (best) => best,
        end: () => resolve(running.cachedTokens),
      });
    });
  const used = () => decoder.cacheBytes;
  await run(promptOf(1, 100));
  expect(used()).toBe(Math.ceil(300 / PAGE_TOKENS));
  await scheduler.trim(1_000);
  expect(used()).toBe(Math.floor(299 / PAGE_TOKENS));
  expect(await run(promptOf(1, 100))).toBe(96);
  now = 2_000;
  await scheduler.trim(1_000);
  expect(used()).toBe(0);
  expect(await run(promptOf(1, 100))).toBe(0);
  await scheduler.close();
});

test('the least wait of a prompt covers the prompts before it; it is 0 on an idle machine, and a cached beginning does not count', async () => {
  const decoder = new RememberingDecoder(PAGES);
  const scheduler = new Scheduler({
    decoder,
    pages: PAGES,
    maxTokens: MAX_TOKENS,
    maxRunning: 1,
    prefillMs: 5,
    speeds: { prefillTps: 1_000, decodeTps: 1 },
    clock: () => 0,
    onFailure: () => {},
  });
  const next = { prompt: promptOf(2, 100), scope: 'mine' };
  expect(scheduler.leastWaitMs(next)).toBe(0);
  const run = (prompt: number[]) =>
    new Promise<void>(
      (end) =>
        void scheduler.submit({
          ...next,
          prompt,
          maxTokens: 1,
          wantsLogits: false,
          choose: (best) => best,
          end: () => end(),
        }),
    );
  const first = run(promptOf(1, 200));
  expect(scheduler.leastWaitMs(next)).toBe(300);
  await first;
  await run(next.prompt);
  const again = run(promptOf(3, 200));
  expect(scheduler.leastWaitMs(next)).toBeLessThan(300 - 50);
  await again;
});

test.for([
  ['without states', 0, [0, 96, 96, 160, 96, 64, 64]],
  // A state inside of the first texts is stored when a second text leaves them there.
  ['with states', 8, [0, 96, 96, 160, 96, 0, 64]],
  ['with room for no stored state', 1, [0, 0, 0, 0, 0, 0, 0]],
] as const)(
  '%s, a repeated beginning is read again only where it must be',
  async ([, states, cached]) => {
    const decoder = new RememberingDecoder(PAGES, { states });
    const scheduler = new Scheduler({
      decoder,
      pages: PAGES,
      states,
      maxTokens: MAX_TOKENS,
      maxRunning: 1,
      prefillMs: 5,
      speeds: { prefillTps: 2_000, decodeTps: 1 },
      clock: () => decoder.steps,
      onFailure: (error) => expect.fail(String(error)),
    });
    const long = promptOf(0, 170);
    const leaving = (at: number, family: number) => [...long.slice(0, at), ...promptOf(family, 50)];
    const prompts = [
      long.slice(0, 110),
      [...long.slice(0, 110), 1, 2, 3],
      long,
      [...long, 1, 2, 3],
      leaving(100, 1),
      leaving(64, 2),
      leaving(64, 3),
    ];
    const found: number[] = [];
    for (const prompt of prompts) {
      const generated: number[] = [];
      const running = await new Promise<Running>((resolve) => {
        const submitted = scheduler.submit({
          prompt,
          maxTokens: 3,
          scope: 'one',
          wantsLogits: false,
          choose: (best) => {
            generated.push(best);
            return best;
          },
          end: () => resolve(submitted),
        });
      });
      expect(generated).toEqual(alone(prompt, 3));
      found.push(running.cachedTokens);
    }
    expect(found).toEqual(cached);
    await scheduler.close();
  },
);
