import { afterAll, describe, expect, test, vi } from 'vitest';
import type { Backend } from '../decoders/decoder.ts';
import {
  backendsUnderTest,
  fixturesOn,
  fixturesWithAssistants,
  fixturesWithHeads,
  openAssisted,
  openFixture,
  testsEverything,
} from '../decoders/decoder-under-test.ts';
import { answersOf, type CountedAnswers } from './drafting-under-test.ts';

// A driver that runs on the processor needs a long time to compile kernels for the first time.
vi.setConfig({ testTimeout: 180_000 });

const VOCABULARY = 512;
/** Tokens of a step: fewer than a prompt has, so that it is read in parts. */
const LIMITS = { pages: 32, maxTokens: 20 };

type Fixture = Awaited<ReturnType<typeof openFixture>>;
type Change = (best: Int32Array) => Int32Array | Promise<Int32Array>;

/** A part of a model that drafts, and the models that have it. */
interface Drafting<Name extends string> {
  readonly drafter: 'head' | 'assistant';
  readonly names: readonly Name[];
  readonly open: (name: Name) => Promise<Fixture>;
  /** The model of the tests that one model is enough for, and the one that is opened fastest. */
  readonly usual: Name;
  readonly small: Name;
}

for (const { name: kind, create } of backendsUnderTest) {
  const made = await create();
  const backend = 'reason' in made ? undefined : made.backend;
  const why = 'reason' in made ? ` (${made.reason})` : '';
  describe.skipIf(backend === undefined)(`drafts on ${kind}${why}`, () => {
    afterAll(() => backend?.[Symbol.asyncDispose]());
    testDrafting(backend, kind, {
      drafter: 'head',
      names: fixturesWithHeads,
      open: openFixture,
      usual: 'qwen3-next-head',
      small: 'qwen3-5-head',
    });
    testDrafting(backend, kind, {
      drafter: 'assistant',
      names: fixturesWithAssistants,
      open: openAssisted,
      usual: 'gemma4-assisted-groups',
      small: 'gemma4-assisted',
    });
  });
}

function testDrafting<Name extends string>(
  backend: Backend | undefined,
  kind: Backend['name'],
  { drafter, names, open, usual, small }: Drafting<Name>,
): void {
  const withAnswers = async (
    name: Name,
    use: (answers: CountedAnswers, fixture: Fixture) => Promise<void>,
    change?: Change,
  ) => {
    if (backend === undefined) return;
    const fixture = await open(name);
    // A model with an assistant has no states.
    const states = drafter === 'head' ? { states: 8 } : {};
    await using decoder = await backend.load({ model: fixture.model, ...states, ...LIMITS });
    const answers = answersOf({
      ...LIMITS,
      decoder,
      vocabulary: VOCABULARY,
      maxRunning: 3,
      drafter,
      ...(change && { change }),
    });
    await use(answers, fixture);
    await answers.scheduler.close();
  };

  describe(`by a draft ${drafter}`, () => {
    test.for(fixturesOn(kind, names))('%s: an answer is the same, in fewer steps', (name) =>
      withAnswers(name, async (answers, { prompt, greedy }) => {
        expect(await answers.answer(prompt, greedy.length).tokens).toEqual(greedy);
        expect(answers.drafts).toBeGreaterThan(5);
        expect(answers.steps).toBeLessThan(0.9 * greedy.length);
        expect(answers.failures).toEqual([]);
      }),
    );

    // How answers run together does not depend on the engine, and takes minutes on a driver in software.
    const testOfAnswers = test.skipIf(!testsEverything(kind));

    testOfAnswers('three answers at once are the same, also beside one that is cancelled', () =>
      withAnswers(usual, async (answers, { prompt, greedy }) => {
        const cancelled = answers.answer(prompt.slice(3), 200, 'other');
        const [first, second] = [
          answers.answer(prompt, greedy.length),
          answers.answer(prompt, 40, 'two'),
        ];
        expect(await second.tokens).toEqual(greedy.slice(0, 40));
        cancelled.running.cancel();
        expect(await first.tokens).toEqual(greedy);
        await cancelled.tokens;
        const stepsBefore = answers.steps;
        // The pages of the cancelled answer, with what a head wrote to them, are used again.
        expect(await answers.answer(prompt, greedy.length, 'three').tokens).toEqual(greedy);
        expect(answers.steps - stepsBefore).toBeLessThan(0.9 * greedy.length);
        expect(answers.failures).toEqual([]);
      }),
    );

    testOfAnswers('an answer that continues a cached prompt is the same, and is drafted too', () =>
      withAnswers(usual, async (answers, { prompt, greedy }) => {
        const long = [...prompt, ...greedy.slice(0, 40)];
        await answers.answer(long, 1).tokens;
        const { running, tokens } = answers.answer(long, 24);
        expect(await tokens).toEqual(greedy.slice(40));
        expect(running.cachedTokens).toBeGreaterThan(0);
        expect(answers.drafts).toBeGreaterThan(0);
        expect(answers.failures).toEqual([]);
      }),
    );

    testOfAnswers('an answer that is paused is the same', () =>
      withAnswers(usual, async (answers, { prompt, greedy }) => {
        const paused = answers.answer(prompt, greedy.length);
        const other = answers.answer(prompt, greedy.length, 'two');
        paused.running.pause();
        expect(await other.tokens).toEqual(greedy);
        paused.running.resume();
        expect(await paused.tokens).toEqual(greedy);
      }),
    );

    testOfAnswers('drafts that are always wrong change no token, and are given up', () =>
      withAnswers(
        usual,
        async (answers, { prompt, greedy }) => {
          expect(await answers.answer(prompt, greedy.length).tokens).toEqual(greedy);
          expect(answers.drafts).toBeLessThan(greedy.length / 3);
        },
        (best) => best.map((token) => (token + 1) % VOCABULARY),
      ),
    );

    testOfAnswers('drafts that fail or have impossible tokens change no token', async () => {
      const answer = async (change: Change, failures: number) =>
        withAnswers(
          small,
          async (answers, { prompt, greedy }) => {
            expect(await answers.answer(prompt, greedy.length).tokens).toEqual(greedy);
            expect(answers.failures).toHaveLength(failures);
          },
          change,
        );
      await answer(() => Promise.reject(new Error('the device is lost')), 1);
      await answer((best) => best.map(() => 2 ** 31 - 1), 0);
    });
  });
}
